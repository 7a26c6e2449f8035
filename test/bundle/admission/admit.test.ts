import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { SitePolicy } from '../../../src/bundle/admission/admission-policy.ts';
import { type AdmitOptions, admit } from '../../../src/bundle/admission/admit.ts';
import { AdmittedBundle } from '../../../src/bundle/admitted-bundle.ts';
import { discLabel } from '../../../src/bundle/discs.ts';
import type { ErrorCode, StowageError } from '../../../src/core/error.ts';
import {
  MAX_CHECKSUMS_BYTES,
  MAX_SIGNATURE_BYTES,
  MAX_SIGNATURES,
} from '../../../src/core/limits.ts';
import { allParts, type Bundle, bundleKind } from '../../../src/format/bundle.ts';
import { currentVersion } from '../../../src/format/document.ts';
import { installerPath } from '../../../src/format/installer.ts';
import type { SiteState } from '../../../src/site/ledger/site-state.ts';
import { hostPlatform } from '../../../src/target/host/platform.ts';
import { signDetached } from '../../../src/trust/cms-sign.ts';
import { context, packedAt } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';
import {
  contradictions,
  makeAuthority,
  type Resigning,
  resign,
  type SmallBundle,
  smallBundle,
} from '../../support/small-bundle.ts';
import { tree } from '../../support/tree.ts';

const scratch = scratchFolder();
let small: SmallBundle;
let other: SmallBundle;

beforeAll(async () => {
  small = await smallBundle({ place: scratch.fresh() });
  const { authority } = small;
  other = await smallBundle({ place: scratch.fresh(), authority, version: '1.1.0', seq: 2 });
});

const blank: SiteState = {
  accepted: [],
  floor: '1970-01-01T00:00:00Z',
  recalls: [],
  overrides: [],
  notices: [],
  promoted: [],
};

function policy(values: Partial<SitePolicy> = {}): SitePolicy {
  return { channels: ['stable'], platform: hostPlatform(), state: blank, ...values };
}

function accepted(seq: number, bundle: string, values: object = {}): SiteState {
  return { ...blank, accepted: [{ product: 'chat', channel: 'stable', seq, bundle, ...values }] };
}

function enter(folder: string, options: Partial<AdmitOptions> = {}): Promise<AdmittedBundle> {
  return admit(folder, { ...context(), trust: small.trust, ...options });
}

/** Refuses, and leaves the media and the folder around them as they were. */
async function refuse(
  folder: string,
  code: ErrorCode,
  options: Partial<AdmitOptions> = {},
): Promise<StowageError> {
  const before = [tree(folder), readdirSync(scratch.root)];
  const error = await expectCode(() => enter(folder, options), code);
  expect([tree(folder), readdirSync(scratch.root)]).toEqual(before);
  return error;
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

const partOf = (bundle: SmallBundle): string => bundle.bundle.blobs[0]?.parts[0]?.path ?? '';

describe('when a bundle is as signed', () => {
  it('is admitted with its identity, signers and control files', async () => {
    const admitted = await enter(small.folder, { policy: policy() });
    expect(admitted).toBeInstanceOf(AdmittedBundle);
    expect(admitted.id).toBe(small.id);
    expect(admitted.bundle).toEqual(small.bundle);
    expect(admitted.signers).toMatchObject([{ name: 'release.p7s', counted: true, root: 'root' }]);
    expect([...admitted.controlFiles.keys()].toSorted()).toEqual(
      [
        'SHA512SUMS',
        'bundle.json',
        'signatures/release.p7s',
        ...small.bundle.control.map((each) => each.path),
      ].toSorted(),
    );
  });

  it('is admitted from a folder that cannot be written to', async () => {
    const folder = scratch.copy(small.folder);
    execFileSync('chmod', ['-R', 'a-w', folder]);
    await enter(folder);
    execFileSync('chmod', ['-R', 'u+w', folder]);
  });

  it('cannot be created without admission', () => {
    const Forge = AdmittedBundle as unknown as new (...values: unknown[]) => AdmittedBundle;
    expect(() => new Forge(Symbol('minted'), {})).toThrow(TypeError);
  });
});

describe('when the media were changed after signing', () => {
  const attacks: readonly (readonly [string, ErrorCode, (folder: string) => void])[] = [
    [
      'no signatures folder (attack 1)',
      'signature-missing',
      (folder) => rmSync(join(folder, 'signatures'), { recursive: true }),
    ],
    [
      'an empty signatures folder (attack 1)',
      'signature-missing',
      (folder) => unlinkSync(join(folder, 'signatures/release.p7s')),
    ],
    [
      'an empty signature (attack 2)',
      'signature-malformed',
      (folder) => truncateSync(join(folder, 'signatures/release.p7s'), 0),
    ],
    [
      'a signature with a byte behind it (attack 5)',
      'signature-malformed',
      (folder) => writeFileSync(join(folder, 'signatures/release.p7s'), '\0', { flag: 'a' }),
    ],
    [
      'a broken signature beside a good one (attack 16)',
      'signature-malformed',
      (folder) => writeFileSync(join(folder, 'signatures/zzz.p7s'), 'no DER'),
    ],
    [
      'the signature of another bundle (attack 26)',
      'signature-invalid',
      (folder) =>
        copyFileSync(
          join(other.folder, 'signatures/release.p7s'),
          join(folder, 'signatures/release.p7s'),
        ),
    ],
    [
      'the signature of another bundle beside its own (attack 25)',
      'signature-invalid',
      (folder) =>
        copyFileSync(
          join(other.folder, 'signatures/release.p7s'),
          join(folder, 'signatures/other.p7s'),
        ),
    ],
    [
      'a signature of 300 MB (attack 30)',
      'signature-malformed',
      (folder) => truncateSync(join(folder, 'signatures/release.p7s'), 300_000_000),
    ],
    [
      'a signature one byte over the cap',
      'signature-malformed',
      (folder) => truncateSync(join(folder, 'signatures/release.p7s'), MAX_SIGNATURE_BYTES + 1),
    ],
    [
      'a hundred signatures (attack 15)',
      'signature-malformed',
      (folder) => {
        const one = join(folder, 'signatures/release.p7s');
        for (let n = 0; n < MAX_SIGNATURES; n += 1) {
          copyFileSync(one, join(folder, `signatures/copy-${n}.p7s`));
        }
      },
    ],
    [
      'a file among the signatures that is none',
      'file-unexpected',
      (folder) => writeFileSync(join(folder, 'signatures/readme.txt'), ''),
    ],
    [
      'a hidden signature',
      'file-unexpected',
      (folder) => writeFileSync(join(folder, 'signatures/.p7s'), ''),
    ],
    [
      'a folder among the signatures',
      'file-kind',
      (folder) => mkdirSync(join(folder, 'signatures/a.p7s')),
    ],
    [
      'a linked signature (attack 89)',
      'file-kind',
      (folder) => symlinkSync('release.p7s', join(folder, 'signatures/twin.p7s')),
    ],
    [
      'a pipe for a signature (attack 89)',
      'file-kind',
      (folder) => execFileSync('mkfifo', [join(folder, 'signatures/pipe.p7s')]),
    ],
    [
      'a linked signatures folder (attack 90)',
      'file-kind',
      (folder) => {
        renameSync(join(folder, 'signatures'), `${folder}-signatures`);
        symlinkSync(`${folder}-signatures`, join(folder, 'signatures'));
      },
    ],
    [
      'a file for a signatures folder',
      'file-unexpected',
      (folder) => {
        rmSync(join(folder, 'signatures'), { recursive: true });
        writeFileSync(join(folder, 'signatures'), '');
      },
    ],
    [
      'the SHA512SUMS of another bundle (attack 64)',
      'signature-invalid',
      (folder) => copyFileSync(join(other.folder, 'SHA512SUMS'), join(folder, 'SHA512SUMS')),
    ],
    [
      'SHA512SUMS and signature of another bundle (attack 64)',
      'part-damaged',
      (folder) => {
        for (const file of ['SHA512SUMS', 'signatures/release.p7s'])
          copyFileSync(join(other.folder, file), join(folder, file));
      },
    ],
    [
      'the bundle.json of another bundle (attack 64)',
      'part-damaged',
      (folder) => copyFileSync(join(other.folder, 'bundle.json'), join(folder, 'bundle.json')),
    ],
    [
      'the parts of two bundles together (attack 62)',
      'file-unexpected',
      (folder) => cpSync(join(other.folder, 'blobs'), join(folder, 'blobs'), { recursive: true }),
    ],
    [
      'a list without its last line (attack 63)',
      'signature-invalid',
      (folder) => {
        const path = join(folder, 'SHA512SUMS');
        truncateSync(path, readFileSync(path).lastIndexOf('\n', -2) + 1);
      },
    ],
    ['no SHA512SUMS', 'bundle-absent', (folder) => unlinkSync(join(folder, 'SHA512SUMS'))],
    ['no bundle.json', 'part-missing', (folder) => unlinkSync(join(folder, 'bundle.json'))],
    [
      'a missing part (attack 63)',
      'part-missing',
      (folder) => unlinkSync(join(folder, partOf(small))),
    ],
    [
      'no parts at all',
      'part-missing',
      (folder) => rmSync(join(folder, 'blobs'), { recursive: true }),
    ],
    [
      'an extra file (attack 100)',
      'file-unexpected',
      (folder) => writeFileSync(join(folder, 'autorun.inf'), ''),
    ],
    [
      'an extra file deep inside',
      'file-unexpected',
      (folder) => {
        mkdirSync(join(folder, 'a/b/c'), { recursive: true });
        writeFileSync(join(folder, 'a/b/c/d'), '');
      },
    ],
    [
      'a hidden extra file',
      'file-unexpected',
      (folder) => writeFileSync(join(folder, 'blobs/.DS_Store'), ''),
    ],
    [
      'an extra file whose name rings and clears (attack 83)',
      'file-unexpected',
      (folder) => writeFileSync(join(folder, 'x\u001b[2J\u0007'), ''),
    ],
    [
      'folders 40 deep (attack 87)',
      'file-unexpected',
      (folder) => mkdirSync(join(folder, 'd/'.repeat(40)), { recursive: true }),
    ],
    [
      'a link for a part (attack 89)',
      'file-kind',
      (folder) => {
        const part = join(folder, partOf(small));
        renameSync(part, `${folder}-part`);
        symlinkSync(`${folder}-part`, part);
      },
    ],
    [
      'a dangling link beside the files (attack 89)',
      'file-kind',
      (folder) => symlinkSync('/nowhere', join(folder, 'link')),
    ],
    [
      'a pipe for a part (attack 89)',
      'file-kind',
      (folder) => {
        unlinkSync(join(folder, partOf(small)));
        execFileSync('mkfifo', [join(folder, partOf(small))]);
      },
    ],
    [
      'a link for the blobs folder (attack 90)',
      'file-kind',
      (folder) => {
        renameSync(join(folder, 'blobs'), `${folder}-blobs`);
        symlinkSync(`${folder}-blobs`, join(folder, 'blobs'));
      },
    ],
    ...['SHA512SUMS', 'bundle.json', 'VERIFY.txt'].flatMap(
      (file): [string, ErrorCode, (folder: string) => void][] => [
        [
          `a link for ${file} (attack 89)`,
          'file-kind',
          (folder) => {
            renameSync(join(folder, file), `${folder}-file`);
            symlinkSync(`${folder}-file`, join(folder, file));
          },
        ],
        [
          `a pipe for ${file} (attack 89)`,
          'file-kind',
          (folder) => {
            unlinkSync(join(folder, file));
            execFileSync('mkfifo', [join(folder, file)]);
          },
        ],
      ],
    ),
  ];

  it.each(attacks)('refuses %s: %s', async (_, code, attack) => {
    const folder = scratch.copy(small.folder);
    attack(folder);
    await refuse(folder, code);
  });

  // An increment with one part, which lacks all others.
  const whole = ['a missing part (attack 63)', 'no parts at all'];
  it.each(attacks.filter(([what]) => !whole.includes(what)))(
    'refuses an increment with %s: %s',
    async (_, code, attack) => {
      const folder = scratch.copy(small.folder);
      for (const { path } of allParts(small.bundle))
        if (path !== partOf(small)) unlinkSync(join(folder, path));
      await enter(folder, { partial: true });
      attack(folder);
      await refuse(folder, code, { partial: true });
    },
  );

  it('names every missing file, and the one unexpected file without its control characters', async () => {
    const folder = scratch.copy(small.folder);
    rmSync(join(folder, 'blobs'), { recursive: true });
    const { defects } = await refuse(folder, 'part-missing');
    expect(defects).toHaveLength(small.bundle.blobs.length);
    const noisy = scratch.copy(small.folder);
    writeFileSync(join(noisy, 'x\u001b[2J'), '');
    expect((await refuse(noisy, 'file-unexpected')).message).not.toContain('\u001b');
  });

  it('refuses an oversize SHA512SUMS by its size, without reading it (attack 78)', async () => {
    const folder = scratch.copy(small.folder);
    truncateSync(join(folder, 'SHA512SUMS'), 1_000_000_000_000);
    const began = process.memoryUsage.rss();
    const { expected } = await refuseUnhashed(folder);
    expect(expected).toBe(`at most ${MAX_CHECKSUMS_BYTES} bytes`);
    expect(process.memoryUsage.rss() - began).toBeLessThan(64 * 1024 * 1024);
  });

  async function refuseUnhashed(folder: string): Promise<StowageError> {
    return expectCode(() => enter(folder), 'checksums-malformed');
  }

  it('refuses one changed byte in each control file, first, middle and last', async () => {
    const folder = scratch.copy(small.folder);
    for (const { path, size } of small.bundle.control) {
      for (const at of new Set([0, Math.floor(size / 2), size - 1])) {
        flip(join(folder, path), at);
        expect((await refuse(folder, 'part-damaged')).message).toContain(path);
        flip(join(folder, path), at);
      }
    }
    await enter(folder);
  });

  it('rejects a file in place of the folder, or a missing folder', async () => {
    await expectCode(() => enter(join(small.folder, 'VERIFY.txt')), 'bundle-absent');
    await expectCode(() => enter(scratch.fresh()), 'bundle-absent');
  });
});

describe('when someone else signed', () => {
  it('refuses a bundle under another root (attack 31)', async () => {
    const namesake = makeAuthority();
    const error = await refuse(small.folder, 'signer-untrusted', { trust: namesake.trust });
    expect(error.found).toContain('another root with the same name');
  });

  it('rejects a bundle that an attacker signed again', async () => {
    const folder = scratch.copy(small.folder);
    resign(folder, makeAuthority('Mallory'));
    await refuse(folder, 'signer-untrusted');
  });

  it("does not count an attacker's additional signature, and reports it", async () => {
    const folder = scratch.copy(small.folder);
    const mallory = makeAuthority('Mallory');
    const bytes = signDetached(readFileSync(join(folder, 'SHA512SUMS')), mallory.signer, packedAt);
    writeFileSync(join(folder, 'signatures/mallory.p7s'), bytes);
    const { signers } = await enter(folder);
    expect(signers).toMatchObject([
      { name: 'mallory.p7s', counted: false, reason: 'untrusted' },
      { name: 'release.p7s', counted: true },
    ]);
  });

  it('refuses a signature made two days ahead of the clock (attack 59)', async () => {
    const folder = scratch.copy(small.folder);
    resign(folder, small, { at: new Date(packedAt.getTime() + 2 * 86_400_000) });
    await refuse(folder, 'signature-invalid');
  });

  it('accepts a signature made half a day ahead of the clock', async () => {
    const folder = scratch.copy(small.folder);
    resign(folder, small, { at: new Date(packedAt.getTime() + 43_200_000) });
    await enter(folder);
  });

  it('refuses one of two signatures asked for, also when it is there twice (attack 50)', async () => {
    const { trust } = small;
    const two = { ...trust, roles: { ...trust.roles, release: { threshold: 2, roots: ['root'] } } };
    await refuse(small.folder, 'threshold-unmet', { trust: two });
    const folder = scratch.copy(small.folder);
    const sums = readFileSync(join(folder, 'SHA512SUMS'));
    const again = signDetached(sums, small.signer, new Date(packedAt.getTime() - 5000));
    writeFileSync(join(folder, 'signatures/again.p7s'), again);
    await refuse(folder, 'threshold-unmet', { trust: two });
  });
});

describe('when a signed bundle has another format version (attack 145)', () => {
  const versions = (schema: unknown): Resigning => ({
    index: (b) => ({ ...b, schema }) as never,
  });
  const next = `v${currentVersion(bundleKind) + 1}`;

  it.each([next, 'v10', 'v999'])(
    'refuses %s as newer, and names the installer in it',
    async (v) => {
      const { authority } = small;
      const made = await smallBundle({ place: scratch.fresh(), authority, installer: true });
      resign(made.folder, small, {
        index: (b) => ({ ...b, schema: `stowage/bundle/${v}`, later: [1] }) as never,
      });
      const error = await refuse(made.folder, 'format-newer');
      expect(error.exitStatus).toBe(1);
      expect(error.found).toBe(`stowage/bundle/${v}`);
      expect(error.hint).toContain(`${installerPath(hostPlatform())} in ${made.folder}`);
      expect(error.hint).not.toContain('do not use');
    },
  );

  it('says that the bundle contains no installer', async () => {
    const folder = scratch.copy(small.folder);
    resign(folder, small, versions(`stowage/bundle/${next}`));
    const { hint } = await refuse(folder, 'format-newer');
    expect(hint).toContain('contains no installer');
  });

  it('checks the signatures and the list first', async () => {
    const folder = scratch.copy(small.folder);
    resign(folder, small, versions(`stowage/bundle/${next}`));
    unlinkSync(join(folder, 'signatures/release.p7s'));
    await refuse(folder, 'signature-missing');
    const unlisted = scratch.copy(small.folder);
    resign(unlisted, small, versions(`stowage/bundle/${next}`));
    flip(join(unlisted, 'bundle.json'), 200);
    await refuse(unlisted, 'part-damaged');
  });

  it.each([
    ...['stowage/bundle/v0', 'stowage/bundle/v1 ', 'stowage/bundle/v01', 'stowage/bundle/v-1'],
    ...['stowage/lock/v2', 'stowage/v2', 'bundle/v2', '', 1, null, undefined],
  ])('refuses %j as malformed', async (schema) => {
    const folder = scratch.copy(small.folder);
    resign(folder, small, versions(schema));
    await refuse(folder, 'index-malformed');
  });
});

describe('when a signed bundle is inconsistent', () => {
  const zeros = '0'.repeat(128);
  const cases: [string, ErrorCode, Resigning, ((folder: string) => void)?][] = [
    [
      'a file in SHA512SUMS that bundle.json lacks (attack 75)',
      'index-mismatch',
      {},
      (folder) => writeFileSync(join(folder, 'extra'), ''),
    ],
    [
      'a file in bundle.json that SHA512SUMS lacks (attack 75)',
      'index-mismatch',
      { lines: (lines) => lines.filter((line) => !line.endsWith('VERIFY.txt')) },
    ],
    [
      'two lists with other digests for one file (attack 76)',
      'index-mismatch',
      { lines: (lines) => lines.map((line) => line.replace(/^.*(?= {2}VERIFY)/, zeros)) },
    ],
    [
      'no line for bundle.json',
      'index-mismatch',
      { lines: (lines) => lines.filter((line) => !line.endsWith('bundle.json')) },
    ],
    [
      'a line for SHA512SUMS itself',
      'index-mismatch',
      {
        lines: (lines) =>
          [`${zeros}  SHA512SUMS`, ...lines].toSorted((a, b) =>
            a.slice(130) < b.slice(130) ? -1 : 1,
          ),
      },
    ],
    [
      'CRLF (attack 74)',
      'checksums-malformed',
      { checksums: (text) => text.replaceAll('\n', '\r\n') },
    ],
    [
      'a binary mark (attack 74)',
      'checksums-malformed',
      { checksums: (text) => text.replace('  ', ' *') },
    ],
    ['an escaped line (attack 74)', 'checksums-malformed', { checksums: (text) => `\\${text}` }],
    [
      'upper-case digits (attack 74)',
      'checksums-malformed',
      { lines: (lines) => lines.map((line) => line.slice(0, 128).toUpperCase() + line.slice(128)) },
    ],
    [
      'a duplicate line (attack 74)',
      'checksums-malformed',
      { lines: ([first = '', ...rest]) => [first, first, ...rest] },
    ],
    [
      'no final newline (attack 74)',
      'checksums-malformed',
      { checksums: (text) => text.trimEnd() },
    ],
    ['unsorted lines', 'checksums-malformed', { lines: (lines) => lines.toReversed() }],
    ['an empty list', 'checksums-malformed', { lines: () => [] }],
    [
      'a path that leaves the folder (attack 80)',
      'checksums-malformed',
      { lines: (lines) => [`${zeros}  ../escape`, ...lines] },
    ],
    [
      'an absolute path (attack 81)',
      'checksums-malformed',
      { lines: (lines) => [`${zeros}  /etc/passwd`, ...lines] },
    ],
    [
      'an unknown field (attack 69)',
      'index-malformed',
      { index: (b) => ({ ...b, policy: 'any' }) },
    ],
    [
      'a policy for the site (attack 66)',
      'index-malformed',
      { index: (b) => ({ ...b, trust: {} }) },
    ],
    ['a missing field', 'index-malformed', { index: ({ seq: _, ...b }) => b }],
    ['number 0', 'index-malformed', { index: (b) => ({ ...b, seq: 0 }) }],
    ['number 2^53 (attack 55)', 'index-malformed', { index: (b) => ({ ...b, seq: 2 ** 53 }) }],
    [
      'a fractional size (attack 72)',
      'index-malformed',
      { index: (b) => ({ ...b, partSize: 0.5 }) },
    ],
    [
      'an empty integrity string (attack 79)',
      'index-malformed',
      { index: (b) => ({ ...b, control: b.control.map((each) => ({ ...each, sha512: '' })) }) },
    ],
    [
      'a blob listed twice',
      'index-malformed',
      { index: (b) => ({ ...b, blobs: [...b.blobs, ...b.blobs.slice(0, 1)] }) },
    ],
    [
      'a model whose blob is not listed',
      'index-malformed',
      { index: (b) => ({ ...b, blobs: b.blobs.slice(1) }) },
    ],
    [
      'a path with a segment that leaves (attack 80)',
      'index-malformed',
      {
        index: (b) => ({
          ...b,
          models: b.models.map((model) => ({
            ...model,
            files: model.files.map((file) => ({ ...file, path: '../../etc/cron.d/x' })),
          })),
        }),
      },
    ],
    [
      'case twins among the files (attack 84)',
      'index-malformed',
      {
        index: (b) => ({
          ...b,
          models: b.models.map((model) => ({
            ...model,
            files: model.files.map((file, n) => ({ ...file, path: n === 0 ? 'A' : 'a' })),
          })),
        }),
      },
    ],
    [
      'parts that do not add up (attack 77)',
      'index-malformed',
      {
        index: (b) => ({
          ...b,
          blobs: b.blobs.map((blob) => ({ ...blob, size: blob.size + 1 })),
        }),
      },
    ],
  ];

  it.each(Object.entries(contradictions))('refuses %s: index-mismatch', async (_, index) => {
    const folder = scratch.copy(small.folder);
    resign(folder, small, { index });
    await refuse(folder, 'index-mismatch');
  });

  it.each([
    ['models', '../../../../tmp/x'],
    ['models', 'example/..'],
    ['models', '/tmp/x'],
    ['models', 'tiny'],
    ['models', 'example/tiny/more'],
    ['images', '../../../../tmp/x'],
    ['images', 'registry.example/../x'],
    ['images', 'registry.example//x'],
    ['images', 'registry.example/Server'],
    ['images', 'server'],
    ['images', 'registry example/x'],
  ] as const)('refuses the repository of %s %s: index-malformed', async (list, repository) => {
    const folder = scratch.copy(small.folder);
    const bent = (b: Bundle): object => ({
      ...b,
      [list]: b[list].map((each) => ({ ...each, repository })),
    });
    resign(folder, small, { index: bent });
    const error = await refuse(folder, 'index-malformed');
    expect(error.defects.join('\n')).toContain(`${list}[0].repository`);
  });

  it.each([
    ['models', 'Qwen/Qwen2.5-0.5B_x'],
    ['images', 'localhost:5000/a__b/c-d'],
    ['images', '[::1]:5000/x'],
    ['images', 'docker.io/library/debian'],
  ] as const)('accepts the repository of %s %s', async (list, repository) => {
    const folder = scratch.copy(small.folder);
    const bent = (b: Bundle): object => ({
      ...b,
      [list]: b[list].map((each) => ({ ...each, repository })),
    });
    resign(folder, small, { index: bent });
    expect((await enter(folder)).bundle[list][0]?.repository).toBe(repository);
  });

  it.each(cases)('refuses %s: %s', async (_, code, bend, attack) => {
    const folder = scratch.copy(small.folder);
    attack?.(folder);
    resign(folder, small, bend);
    await refuse(folder, code);
  });

  const documents: readonly (readonly [string, (text: string) => string | Buffer])[] = [
    ['spaces (attack 71)', (text) => text.replace(':', ': ')],
    ['a final newline (attack 71)', (text) => `${text}\n`],
    ['a byte-order mark (attack 70)', (text) => `\ufeff${text}`],
    ['a duplicate key (attack 67)', (text) => text.replace('{', '{"acceptance":[],')],
    ['__proto__ (attack 68)', (text) => text.replace('{', '{"__proto__":{"seq":1},')],
    ['1e400 (attack 72)', (text) => text.replace('"seq":1', '"seq":1e400')],
    ['-0 (attack 72)', (text) => text.replace('"partSize":0', '"partSize":-0')],
    ['invalid UTF-8 (attack 70)', (text) => Buffer.concat([Buffer.from(text), Buffer.of(0xff)])],
    ['nothing', () => ''],
    ['an array', () => '[]'],
    ['nesting 100,000 deep', () => '['.repeat(100_000)],
  ];

  it.each(documents)('refuses a bundle.json with %s', async (_, bend) => {
    const folder = scratch.copy(small.folder);
    const path = join(folder, 'bundle.json');
    const bytes = bend(readFileSync(path, 'utf8'));
    writeFileSync(path, bytes);
    resignAsItLies(folder);
    await refuse(folder, 'index-malformed');
  });

  /** Signs whatever `bundle.json` holds. */
  function resignAsItLies(folder: string): void {
    const bytes = readFileSync(join(folder, 'bundle.json'));
    copyFileSync(join(small.folder, 'bundle.json'), join(folder, 'bundle.json'));
    resign(folder, small, {
      lines: (lines) =>
        lines.map((line) =>
          line.endsWith('  bundle.json') ? `${sha512(bytes)}  bundle.json` : line,
        ),
    });
    writeFileSync(join(folder, 'bundle.json'), bytes);
  }

  function sha512(bytes: Buffer): string {
    return execFileSync('sha512sum', { input: bytes }).toString().slice(0, 128);
  }
});

describe('when a site has a policy', () => {
  it('rejects a channel that the site does not accept (attack 65)', async () => {
    const error = await refuse(small.folder, 'release-foreign', {
      policy: policy({ channels: ['production', 'lts'] }),
    });
    expect(error).toMatchObject({ expected: 'production, lts', found: 'stable' });
  });

  it('refuses images for other platforms only (attack 61)', async () => {
    await refuse(small.folder, 'release-foreign', {
      policy: policy({ platform: 'linux/riscv64' }),
    });
  });

  it('accepts a bundle without images on any platform', async () => {
    const plain = await smallBundle({
      place: scratch.fresh(),
      authority: small.authority,
      images: false,
    });
    await enter(plain.folder, { policy: policy({ platform: 'linux/riscv64' }) });
  });

  const digest = 'f'.repeat(128);
  const cases: readonly (readonly [string, () => SiteState, ErrorCode | undefined])[] = [
    ['nothing accepted yet', () => blank, undefined],
    ['a lower number', () => accepted(1, digest), undefined],
    ['this very bundle', () => accepted(2, other.id), undefined],
    [
      'this number of another bundle (attack 54)',
      () => accepted(2, digest),
      'release-equivocation',
    ],
    ['a higher number (attack 53)', () => accepted(3, digest), 'release-rollback'],
    [
      'the highest number there is (attack 55)',
      () => accepted(Number.MAX_SAFE_INTEGER, digest),
      'release-rollback',
    ],
    ['a higher number of another product', () => accepted(3, digest, { product: 'x' }), undefined],
    ['a higher number of another channel', () => accepted(3, digest, { channel: 'x' }), undefined],
  ];

  it('rejects a sequence that leaves none for later bundles (attack 55)', async () => {
    const high = await smallBundle({
      place: scratch.fresh(),
      authority: small.authority,
      seq: Number.MAX_SAFE_INTEGER,
    });
    for (const state of [blank, accepted(1, digest)])
      await refuse(high.folder, 'release-leap', { policy: policy({ state }) });
  });

  it('rejects recalled releases only', async () => {
    const recall = (release: string, versions: string): SiteState => ({
      ...blank,
      recalls: [{ release, versions, reason: 'it leaks' }],
    });
    const { version } = other.bundle;
    const error = await refuse(other.folder, 'release-recalled', {
      policy: policy({ state: recall('chat', '<=1.1.0') }),
    });
    expect(error.found).toBe('it leaks');
    expect(version).toBe('1.1.0');
    for (const state of [recall('chat', '<1.1.0'), recall('other', '*')]) {
      await enter(other.folder, { policy: policy({ state }) });
    }
  });

  it.each(cases)('checks the sequence of a bundle after %s', async (_, state, code) => {
    const options = { policy: policy({ state: state() }) };
    if (code === undefined) await enter(other.folder, options);
    else await refuse(other.folder, code, options);
  });

  it('rejects a bundle whose newest signature is too old, unless a reason is given', async () => {
    const trust = { ...small.trust, maxAgeDays: 1 };
    const now = (): Date => new Date(packedAt.getTime() + 2 * 86_400_000);
    await refuse(small.folder, 'release-expired', { trust, now, policy: policy() });
    await enter(small.folder, { trust, now, policy: policy({ acceptAge: 'lost disc' }) });
  });

  it('names the disc of another bundle, and requires at least one disc', async () => {
    const { trust } = small;
    const mixed = () => admit([small.folder, other.folder], { ...context(), trust });
    const error = await expectCode(mixed, 'bundle-mixed');
    expect(error.message).toContain(`${discLabel(other.folder)}: `);
    await expect(admit([], { ...context(), trust })).rejects.toThrow(RangeError);
  });

  it('reports each step before it starts (order of DESIGN 8)', async () => {
    const { events, emit } = context();
    await enter(small.folder, { emit, policy: policy() });
    expect(events.map((each) => (each.type === 'step' ? each.step : each.type))).toEqual([
      'trust',
      'signatures',
      'index',
      'identity',
      'sequence',
      'inventory',
    ]);
  });

  it('checks nothing else before the signatures are valid (order of DESIGN 8)', async () => {
    const folder = scratch.copy(small.folder);
    flip(join(folder, 'SHA512SUMS'), 0);
    writeFileSync(join(folder, 'bundle.json'), 'not JSON');
    await refuse(folder, 'signature-invalid', { policy: policy({ channels: ['x'] }) });
  });
});
