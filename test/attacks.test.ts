import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

/** A test: its file below `test/`, and words that stand in the title of it or of its case. */
type Shown = readonly [file: string, title: string];

interface Attack {
  readonly shown?: readonly Shown[];
  /** Why no test shows it, or not all of it. */
  readonly because?: string;
}

const admit = 'bundle/admission/admit.test.ts';
const ours = 'attacks/signature.test.ts';
const cms = 'trust/cms-verify.test.ts';
const certificate = 'trust/certificate.test.ts';
const chain = 'trust/chain.test.ts';
const trustChain = 'trust/trust-chain.test.ts';
const trustWalk = 'site/ledger/keep-trust.test.ts';
const der = 'trust/der.test.ts';
const memory = 'site/importing/memory.test.ts';
const ledger = 'site/ledger/ledger.test.ts';
const json = 'core/json.test.ts';
const runtime = 'e2e/hostile-runtime.test.ts';
const site = 'attacks/site.test.ts';
const discs = 'attacks/discs.test.ts';

/** What is here of the list of hostile and broken inputs, and the tests that show each. */
const attacks: Readonly<Record<number, Attack>> = {
  // Signature and CMS
  1: {
    shown: [
      [admit, 'no signatures folder (attack 1)'],
      [admit, 'an empty signatures folder (attack 1)'],
    ],
  },
  2: {
    shown: [
      [admit, 'an empty signature (attack 2)'],
      [cms, 'an empty file'],
    ],
  },
  3: {
    shown: [
      [
        'e2e/every-byte.test.ts',
        'for each byte of SHA512SUMS, bundle.json, signatures and trust documents',
      ],
      [trustChain, 'refuses bytes of the signature of document'],
    ],
  },
  4: {
    shown: [
      [ours, 'is refused at every length (attack 4)'],
      [cms, 'refuses every truncation'],
    ],
  },
  5: {
    shown: [
      [admit, 'a signature with a byte behind it (attack 5)'],
      [cms, 'a second signature appended'],
    ],
  },
  6: {
    shown: [
      [ours, 'an indefinite length (attack 6)'],
      [der, 'a length in long form that fits the short'],
    ],
  },
  7: {
    shown: [
      [cms, 'another type of message'],
      [cms, 'another type of content'],
    ],
  },
  8: {
    shown: [
      [ours, 'content in it (attack 8)'],
      [cms, 'other content inside'],
    ],
  },
  9: {
    shown: [
      [ours, 'no signed attributes (attack 9)'],
      [cms, 'refuses a signature made without attributes, over content that are attributes'],
    ],
  },
  10: {
    shown: [
      [cms, 'the message digest twice'],
      [cms, 'a second, other message digest'],
    ],
  },
  11: { shown: [[cms, 'no message digest']] },
  12: { shown: [[cms, 'attributes in another order']] },
  13: { shown: [[cms, 'an unsigned attribute']] },
  14: { shown: [[cms, 'no signer']] },
  15: {
    shown: [
      [ours, 'two signers (attack 15)'],
      [cms, '100 signers'],
      [admit, 'a hundred signatures (attack 15)'],
    ],
  },
  16: {
    shown: [
      [admit, 'a broken signature beside a good one (attack 16)'],
      [cms, 'refuses a bad signer beside the good one'],
    ],
  },
  17: { shown: [[cms, 'refuses another certificate for the same key']] },
  18: {
    shown: [
      [ours, 'SHA-1 (attack 18)'],
      [ours, 'SHA-256 (attack 18)'],
      [cms, 'MD5 with RSA'],
      [cms, 'refuses an accepted name over a weaker hash'],
    ],
  },
  19: { shown: [[cms, 'a digest that is not of the signature algorithm']] },
  20: {
    shown: [
      [certificate, 'RSA-1024'],
      [certificate, 'RSA-2048'],
    ],
  },
  21: {
    shown: [
      [ours, 'when an RSA signature with exponent 3 is forged (attack 21, CVE-2026-85393)'],
      [certificate, 'refuses RSA with exponent 3, whose signatures have been forged'],
    ],
  },
  22: {
    shown: [
      [cms, 'r and s of zero'],
      [certificate, 'P-256'],
      [certificate, 'refuses a curve given by its parameters'],
    ],
  },
  23: {
    shown: [
      [certificate, 'ML-DSA-44'],
      [certificate, 'ML-DSA-65'],
      [cms, 'HashML-DSA'],
      [cms, 'refuses ML-DSA with a context'],
    ],
  },
  24: {
    shown: [
      [ours, 'refuses it without its %s signature (attack 24)'],
      ['trust/policy.test.ts', 'ML-DSA-87 is taken away (attack 24)'],
    ],
  },
  25: {
    shown: [
      [ours, 'refuses it when one of the two signs another list (attack 25)'],
      [admit, 'the signature of another bundle beside its own (attack 25)'],
    ],
  },
  26: { shown: [[admit, 'the signature of another bundle (attack 26)']] },
  27: {
    shown: [
      [ours, 'PEM (attack 27)'],
      [ours, 'S/MIME (attack 27)'],
    ],
  },
  28: {
    shown: [
      [cms, 'a nest of 10,000 values'],
      [der, 'refuses 10,000 nested values before they reach a recursive parser'],
    ],
  },
  29: {
    shown: [
      [der, 'an arc of 10,000 bytes'],
      [cms, 'an integer of 60 kB'],
    ],
  },
  30: {
    shown: [
      [admit, 'a signature of 300 MB (attack 30)'],
      [cms, '300 MB'],
    ],
  },

  // Certificates
  31: {
    shown: [
      [admit, 'refuses a bundle under another root (attack 31)'],
      [chain, 'refuses a root of the attacker with the same names and key identifier'],
    ],
  },
  32: { shown: [[chain, 'refuses a root from the signature file']] },
  33: { shown: [[chain, 'refuses a signer that issued a signer']] },
  34: {
    shown: [
      [chain, 'that is an authority'],
      [chain, 'refuses a CA as the signer'],
    ],
  },
  35: {
    shown: [
      [chain, 'without purposes'],
      [chain, 'for web servers alone'],
    ],
  },
  36: {
    shown: [
      [chain, 'without key usage'],
      [chain, 'for encryption alone'],
    ],
  },
  37: { shown: [[certificate, 'an unknown critical extension']] },
  38: { shown: [[certificate, 'an extension twice']] },
  39: { shown: [[certificate, 'version 1']] },
  40: {
    shown: [
      [chain, 'a second after'],
      [chain, 'refuses an expired %s'],
    ],
  },
  41: { shown: [[chain, 'a second before']] },
  42: {
    shown: [
      [trustWalk, 'is refused when the newest revokes its signer'],
      [chain, 'refuses its signatures, by either name of its issuer'],
    ],
  },
  43: { shown: [[cms, 'refuses two certificates of one issuer and serial number']] },
  44: { shown: [[chain, 'refuses an authority below a root whose path length is 0']] },
  45: { shown: [[chain, 'does not follow certificates that sign each other']] },
  46: { shown: [[runtime, 'when the system trusts another CA (attack 46)']] },
  47: {
    shown: [
      [certificate, 'a negative serial number'],
      [certificate, 'serial number zero'],
      [certificate, 'a serial number of 21 bytes'],
    ],
  },

  // Trust, rollback, time
  48: {
    shown: [
      [trustWalk, 'its middle is gone (attack 48)'],
      [trustChain, 'refuses N+2 without N+1 (attack 48)'],
    ],
  },
  49: {
    shown: [
      [trustChain, 'refuses the old keys alone (attack 49)'],
      [trustChain, 'refuses the new keys alone (attack 49)'],
    ],
  },
  50: {
    shown: [
      [admit, 'also when it is there twice (attack 50)'],
      [trustChain, 'under two certificates (attack 50)'],
    ],
  },
  51: { shown: [[trustChain, 'under another key id (attack 51)']] },
  52: {
    shown: [
      [trustChain, 'never reads what is not newer than the pinned document (attack 52)'],
      [trustWalk, 'keeps the newest against an older bundle'],
    ],
  },
  53: {
    shown: [
      [admit, 'a higher number (attack 53)'],
      [trustWalk, 'a floor above it (attack 53)'],
    ],
  },
  54: { shown: [[admit, 'this number of another bundle (attack 54)']] },
  55: {
    shown: [
      [admit, 'the highest number there is (attack 55)'],
      [admit, 'number 2^53 (attack 55)'],
      [json, 'a number that loses digits'],
    ],
  },
  56: {
    shown: [
      [memory, 'rejects a bundle older than the trust document allows'],
      [trustWalk, 'judges the age of the newest signature at a site'],
    ],
  },
  57: {
    shown: [
      [memory, 'uses the newest signing time as the current time, with a warning (attack 57)'],
    ],
  },
  58: {
    shown: [
      [site, 'when the clock is set far ahead (attack 58)'],
      [site, 'does not advance the minimum time that the site accepts'],
    ],
  },
  59: {
    shown: [
      [admit, 'refuses a signature made two days ahead of the clock (attack 59)'],
      [trustChain, 'refuses a signature from the future'],
    ],
  },
  60: {
    shown: [
      [memory, 'rejects everything when the ledger is missing (attack 60)'],
      [memory, 'rejects everything when an older ledger was restored (attack 60)'],
      [ledger, 'is refused when it %s'],
      ['site/generations.test.ts', 'when a generation is not what was written (attack 60)'],
    ],
    because:
      'a whole site folder restored from a backup is the site as it was: nothing outside of it remembers more',
  },
  61: {
    shown: [
      [admit, 'refuses images for other platforms only (attack 61)'],
      [admit, 'rejects a channel that the site does not accept (attack 65)'],
      [admit, 'a higher number of another product'],
    ],
    because:
      'a bundle is for every site that trusts its signers: it names no site, and a site takes any product',
  },
  62: {
    shown: [
      [admit, 'the parts of two bundles together (attack 62)'],
      [discs, 'a disc of another bundle among them (attack 62)'],
    ],
  },
  63: {
    shown: [
      [admit, 'a missing part (attack 63)'],
      [admit, 'a list without its last line (attack 63)'],
      [discs, 'another part of the same size, renumbered (attack 63)'],
      [discs, 'a part with a number that there is not (attack 63)'],
      [
        'bundle/discs.test.ts',
        'imports a disc twice, and discs of another split of the same bundle',
      ],
    ],
  },
  64: {
    shown: [
      [admit, 'the SHA512SUMS of another bundle (attack 64)'],
      [admit, 'the bundle.json of another bundle (attack 64)'],
    ],
  },
  65: {
    shown: [
      [admit, 'rejects a channel that the site does not accept (attack 65)'],
      [trustWalk, 'other channels alone (attack 65)'],
    ],
  },
  66: {
    shown: [
      [admit, 'a policy for the site (attack 66)'],
      [trustChain, 'refuses a field that would relax it (attack 66)'],
    ],
  },

  // Manifest and parsing
  67: {
    shown: [
      [admit, 'a duplicate key (attack 67)'],
      [json, 'a member twice, once escaped'],
    ],
  },
  68: {
    shown: [
      [admit, '__proto__ (attack 68)'],
      [json, 'keeps __proto__ as a member and touches no prototype'],
    ],
  },
  69: { shown: [[admit, 'an unknown field (attack 69)']] },
  70: {
    shown: [
      [admit, 'a byte-order mark (attack 70)'],
      [admit, 'invalid UTF-8 (attack 70)'],
      [json, 'an escaped lone surrogate'],
    ],
  },
  71: {
    shown: [
      [admit, 'spaces (attack 71)'],
      [admit, 'a final newline (attack 71)'],
    ],
  },
  72: {
    shown: [
      [admit, '1e400 (attack 72)'],
      [admit, '-0 (attack 72)'],
      [admit, 'a fractional size (attack 72)'],
    ],
  },
  73: {
    shown: [
      ['core/digest.test.ts', 'with junk in its base64'],
      ['core/digest.test.ts', 'with a letter beyond f'],
      ['core/digest.test.ts', 'refuses stray bits'],
    ],
  },
  74: {
    shown: [
      [admit, 'CRLF (attack 74)'],
      [admit, 'a binary mark (attack 74)'],
      [admit, 'an escaped line (attack 74)'],
      [admit, 'upper-case digits (attack 74)'],
      [admit, 'a duplicate line (attack 74)'],
      [admit, 'no final newline (attack 74)'],
    ],
  },
  75: {
    shown: [
      [admit, 'a file in SHA512SUMS that bundle.json lacks (attack 75)'],
      [admit, 'a file in bundle.json that SHA512SUMS lacks (attack 75)'],
    ],
  },
  76: {
    shown: [
      [admit, 'two lists with other digests for one file (attack 76)'],
      ['bundle/part-check.test.ts', 'all zeros of the right size (attack 93)'],
      ['bundle/part-check.test.ts', 'one byte shorter'],
    ],
  },
  77: {
    shown: [
      [admit, 'parts that do not add up (attack 77)'],
      ['format/bundle.test.ts', 'a CRC too few'],
      ['format/bundle.test.ts', 'parts in another order'],
    ],
  },
  78: {
    shown: [[admit, 'refuses an oversize SHA512SUMS by its size, without reading it (attack 78)']],
  },
  79: {
    shown: [
      [admit, 'an empty integrity string (attack 79)'],
      ['core/digest.test.ts', 'empty, which means no check to some'],
    ],
  },

  // Names, media, archives: those of this list
  91: {
    shown: [
      ['bundle/part-check.test.ts', 'when a part is swapped after admission (attack 91)'],
      [site, 'when the media are swapped after admission (attack 91)'],
      ['bundle/part-check.test.ts', 'reads each byte once and reports progress'],
    ],
    because: 'a medium that answers a second reading differently is asked no second time',
  },
  98: {
    shown: [
      ['io/archive.test.ts', 'a gzip bomb'],
      ['io/archive.test.ts', 'zstd around it'],
    ],
    because: 'we unpack nothing but plain tar, and layers go to the engine as they are',
  },
  99: {
    shown: [
      [site, 'when the output folder is not empty (attack 99)'],
      ['build/assemble.test.ts', 'leaves a %s alone that has its name'],
    ],
    because:
      'a mount point, or a folder of another owner that can be written to, is a place like any other',
  },
  100: {
    shown: [
      [admit, 'an extra file (attack 100)'],
      [admit, 'an extra file deep inside'],
      [admit, 'a hidden extra file'],
      [discs, 'an extra file on one disc (attack 100)'],
    ],
  },
  101: {
    shown: [
      [
        'e2e/discs.test.ts',
        'is imported from read-only media in any order, one with a bad sector, and a repair completes it',
      ],
      ['bundle/discs.test.ts', 'rebuilds any two damaged or missing parts'],
    ],
  },
  102: {
    shown: [
      ['bundle/discs.test.ts', 'there are too few recovery parts (attack 102)'],
      ['bundle/discs.test.ts', 'reports what is missing when more is lost than can be rebuilt'],
    ],
  },
  103: {
    shown: [
      ['bundle/discs.test.ts', 'discards parts rebuilt from a forged recovery part (attack 103)'],
      [discs, 'when the recovery section of a signed index is hostile (attack 103)'],
    ],
  },

  // Runtime and supply chain
  113: {
    shown: [
      [runtime, 'when variables are hostile (attack 113)'],
      ['site/doctor/examine-host.test.ts', 'when the environment is examined'],
      ['e2e/installer.test.ts', 'when the environment of the installer is hostile (attack 113)'],
    ],
    because:
      'what such a variable loads into plain Node, or LD_PRELOAD into any program, runs before us and can do anything: doctor reports it, and the installer heeds none but those of the dynamic loader',
  },
  114: { shown: [[runtime, 'when a prototype was polluted before (attack 114)']] },
  115: {
    shown: [
      [runtime, 'when FIPS mode is on and there is no provider for it (attack 115)'],
      ['trust/known-answers.test.ts', 'when FIPS mode is claimed without a FIPS provider'],
    ],
  },
  116: {
    shown: [
      [runtime, 'when the runtime lacks ML-DSA (attack 116)'],
      ['trust/runtime.test.ts', 'fails instead of skipping the check'],
    ],
  },
  117: {
    shown: [
      ['e2e/no-socket.test.ts', 'when a bundle is verified, no socket is opened (attack 117)'],
    ],
  },
  118: {
    shown: [
      ['site/release/layout.test.ts', 'when the installer is not what was signed (attack 118)'],
      ['bundle/report/program.test.ts', 'has the digest of its file when it is one executable'],
    ],
  },
  119: {
    shown: [['examine/secrets.test.ts', 'when a packed file contains a secret (attack 119)']],
  },
  120: {
    shown: [
      ['build/assemble.test.ts', 'detects a stored blob of which %s'],
      ['build/assemble.test.ts', 'does not trust forged checksum records'],
    ],
  },
};

const increment = 'site/importing/increment.test.ts';
const parts = 'site/importing/fill-parts.test.ts';
const killed = 'e2e/killed-increment.test.ts';
const receipts = 'bundle/increment/believed-receipts.test.ts';
const commands = 'cli/commands/increment.test.ts';
const notice = 'bundle/notice/admit-notice.test.ts';
const piped = 'site/importing/piped-notice.test.ts';
const notices = 'site/importing/import-notice.test.ts';
const remote = 'site/importing/remote-medium.test.ts';
const hops = 'e2e/hops.test.ts';
const exported = 'site/exporting/export-bundle.test.ts';
const everyByte = 'e2e/every-byte.test.ts';

/** Increments, notices, hops: attacks of their own. */
const newer: Readonly<Record<number, Attack>> = {
  147: {
    shown: [
      [parts, 'is incomplete on another base, and completed by discs of the whole'],
      [parts, 'names what is missing with the release that had it if its file %s'],
      [increment, 'counts no blob that rotted, even if its file looks unchanged'],
      [commands, 'names what the site lost meanwhile, and asks for it'],
      [commands, 'is incomplete at a site that has nothing'],
      [killed, 'is completed by the same command, or by discs of the whole, at every moment'],
      [killed, 'completes what the store lost: %s'],
      ['site/receipts/site-facts.test.ts', 'keeps it until then, and says so'],
    ],
    because: 'two at once: the second waits for the lock of the site, as with bundles',
  },
  148: {
    shown: [
      [commands, 'refuses one that was changed'],
      [commands, 'refuses one of another site than was confirmed'],
      [receipts, 'written at %s: believed %s'],
      [receipts, 'an earlier ledger (replay)'],
      [receipts, 'another ledger (fork)'],
      [parts, 'is incomplete on another base'],
    ],
  },
  149: {
    shown: [
      [notice, 'older than the newest of its issuer (attack 149: replayed)'],
      [notice, 'a part of a bundle (attack 149)'],
      [notice, 'with the index of a bundle on its list (attack 149)'],
      [piped, 'a part of a bundle (attack 149)'],
      [notices, 'records a recall, and refuses and reports what is recalled'],
    ],
    because:
      'a recall of everything, or of the notice itself, is one that was signed: the site reports it, and stops nothing by itself',
  },
  150: {
    shown: [
      [remote, 'other bytes of a part'],
      [remote, 'is imported from a registry that %s after the connection broke'],
      [remote, 'is refused as a rollback behind a tag that was moved back'],
      [remote, 'a manifest of 100 MB'],
      ['depot/guard.test.ts', 'serves over TLS on %s, whose certificate names it'],
    ],
  },
  151: {
    shown: [
      [hops, 'finds at the third one byte of %s that the middle changed'],
      [remote, 'says which parts are missing where a hop left files out'],
      [exported, 'reaches a third network over two hops, which the third can list'],
    ],
  },
};

/** What of the list is about bundles, and where it is shown of increments: folders with fewer parts, admitted by the same code. */
const ofIncrements: readonly (readonly [numbers: readonly number[], ...Shown[]])[] = [
  [
    [1, 2, 5, 15, 16, 25, 26, 30, 62, 63, 64, 83, 87, 89, 90, 100],
    [admit, 'refuses an increment with %s: %s'],
  ],
  [[3], [everyByte, 'imports nothing, for each byte of each file that is not a part']],
  [
    [63],
    [parts, 'completes discs of the whole'],
    [increment, 'is refused if a part is there twice'],
  ],
  [
    [76, 91, 93],
    [parts, 'copies a part that is damaged on the media from the store'],
  ],
  [
    [101],
    ['content/increment.test.ts', 'keeps the recovery parts that a part that travels could need'],
  ],
  [[105], [killed, 'is completed by the same command']],
  [[109], [killed, 'completes what the store lost: %s']],
  [
    [121, 122, 123],
    [parts, 'names what is missing with the release that had it'],
  ],
];

/** The same of notices, which have a reader of their own. */
const ofNotices: readonly (readonly [numbers: readonly number[], ...Shown[]])[] = [
  [[1], [notice, 'no signature (attack 1)']],
  [
    [3],
    [everyByte, 'refuses the notice, for each byte of each of its files'],
    [piped, 'is refused with one bit flipped, wherever'],
  ],
  [[16], [notice, 'with a bad signer beside a good one (attack 16)']],
  [[26], [notice, 'refuses the signature of another notice (attack 26)']],
  [[30], [notice, 'a signature of 1 MB (attack 30)']],
  [[31], [notice, 'by an attacker with the same name (attack 31)']],
  [
    [48, 49],
    [notice, 'with a trust document that nobody signed (attack 49)'],
  ],
  [
    [53, 54],
    [notice, 'with the serial of another (attack 54)'],
  ],
  [[55], [notice, 'too far ahead (attack 55)']],
  [
    [56, 57, 58],
    [notice, 'refuses one whose signature is too old, unless a person accepted it'],
  ],
  [[59], [notices, 'remembers its signing time, so that the clock cannot go back before it']],
  [
    [60, 127],
    [notices, 'is found if the ledger was restored from before it (attack 127)'],
  ],
  [[61], [notice, 'for other sites (attack 61)']],
  [
    [66, 69],
    [notice, 'with an unknown field (attack 69)'],
  ],
  [[75], [notice, 'whose lists disagree (attack 75)']],
  [[78], [notice, 'a list of 10 MB (attack 78)'], [piped, 'documents of 45 MiB in all']],
  [
    [80, 81],
    [notice, 'with a path that leaves its folder (attack 80)'],
    [piped, 'an absolute name (attack 81)'],
  ],
  [[89], [notice, 'a link in place of a document (attack 89)']],
  [
    [95, 96, 97],
    [piped, 'refuses more after the end of the archive (attack 96)'],
  ],
  [[100], [notice, 'a file too many'], [piped, 'refuses a file that is not on the list']],
  [
    [105],
    [
      'e2e/killed-notice.test.ts',
      'is completed by the same command, at every write, sync and rename',
    ],
  ],
  [[117], [piped, 'is imported from pieces of %i bytes, once']],
  [[145], [notice, 'of a newer version (attack 145)']],
];

/** The numbers that are asked for, of 120. */
const asked = [...upTo(1, 79), 91, ...upTo(98, 103), ...upTo(113, 120)];

function upTo(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n);
}

/** What stands in a test file as the title of a test, or as the first words of a case. */
function titlesOf(file: string): string[] {
  const source = readFileSync(new URL(file, import.meta.url), 'utf8');
  const text = `(?:'((?:[^'\\\\\\n]|\\\\.)*)'|\`((?:[^\`\\\\]|\\\\.)*)\`|"((?:[^"\\\\\\n]|\\\\.)*)")`;
  const calls = new RegExp(`\\b(?:it|describe)\\(\\s*${text},`, 'g');
  const curried = new RegExp(`\\)\\(\\s*${text},`, 'g');
  const cases = new RegExp(`(?:\\[|^)\\s*${text}(?:,|: |\\])`, 'gm');
  return [calls, curried, cases].flatMap((pattern) =>
    [...source.matchAll(pattern)].map((found) => found[1] ?? found[2] ?? found[3] ?? ''),
  );
}

describe('when somebody asks what shows an attack', () => {
  it('has an answer for each that is asked for, and for no other', () => {
    expect(Object.keys(attacks).map(Number)).toEqual(asked);
  });

  it.each(Object.entries(attacks))(
    'names tests that there are, or says why not, for attack %s',
    (_, attack) => {
      const { shown = [], because } = attack;
      if (shown.length === 0) expect(because).toMatch(/^[a-z]/);
      for (const [file, title] of shown)
        expect(
          titlesOf(file).some((each) => each.includes(title)),
          `${file}: ${title}`,
        ).toBe(true);
    },
  );

  it('has an answer for each of increments, notices and hops', () => {
    expect(Object.keys(newer).map(Number)).toEqual(upTo(147, 151));
  });

  const elsewhere = [
    ...Object.entries(newer).map(([number, { shown = [] }]) => ['hops', number, shown] as const),
    ...ofIncrements.map(([numbers, ...shown]) => ['increments', numbers.join(), shown] as const),
    ...ofNotices.map(([numbers, ...shown]) => ['notices', numbers.join(), shown] as const),
  ];
  it.each(elsewhere)('names tests that there are for %s: %s', (_, __, shown) => {
    expect(shown.length).toBeGreaterThan(0);
    for (const [file, title] of shown)
      expect(
        titlesOf(file).some((each) => each.includes(title)),
        `${file}: ${title}`,
      ).toBe(true);
  });

  it('finds no test that there is not', () => {
    expect(titlesOf(admit).length).toBeGreaterThan(80);
    expect(titlesOf(admit).some((each) => each.includes('accepts everything'))).toBe(false);
  });
});
