import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { findDiscs } from '../../../src/bundle/discs.ts';
import { makeReport } from '../../../src/bundle/report/make-report.ts';
import { reportHtml } from '../../../src/bundle/report/report-page.ts';
import {
  recordVerification,
  type VerificationRecord,
} from '../../../src/bundle/report/verification-record.ts';
import { signBundle } from '../../../src/bundle/signing/sign.ts';
import { toStowageError } from '../../../src/cli/render.ts';
import { MIB } from '../../../src/core/limits.ts';
import { exactBytes } from '../../../src/core/text.ts';
import { readJson } from '../../../src/format/document.ts';
import { lockKind, sealLock } from '../../../src/format/lock.ts';
import { rehearsedDigest } from '../../../src/format/rehearsal.ts';
import type { Report } from '../../../src/format/report.ts';
import type { Trust } from '../../../src/format/trust.ts';
import { verifyDetached } from '../../../src/trust/cms-verify.ts';
import { context, packedAt } from '../../support/context.ts';
import { planted, rehearsedBundle } from '../../support/rehearsed.ts';
import { scratchFolder } from '../../support/scratch.ts';
import {
  makeAuthority,
  resign,
  type SmallBundle,
  smallBundle,
} from '../../support/small-bundle.ts';

const scratch = scratchFolder();
const stranger = makeAuthority('Other Agency');
const running = { program: '/nowhere/main.ts', node: '24.0.0', openssl: '3.5.0' };
let small: SmallBundle;

beforeAll(async () => {
  small = await smallBundle({
    place: scratch.fresh(),
    weights: 9_000_000,
    partSize: 4 * 1024 * 1024,
  });
});

async function recordOf(
  folders: readonly string[],
  trust: Trust = small.trust,
): Promise<VerificationRecord> {
  return recordVerification(folders, { ...context(), trust });
}

async function report(
  place: string | readonly string[],
  trust: Trust = small.trust,
): Promise<Report> {
  const folders = [place].flat();
  const record = await recordOf(folders, trust);
  const { fingerprint, subject } = small.root;
  return makeReport(record, {
    folders,
    given: { trust, fingerprint, subject },
    running,
    ...(record.error === undefined ? {} : { failure: toStowageError(record.error) }),
  });
}

/** What a report says after something was done to a copy of the bundle. */
async function reportAfter(change: (folder: string) => unknown): Promise<Report> {
  const folder = scratch.copy(small.folder);
  await change(folder);
  return report(folder);
}

const outcomes = ({ steps }: Report): string[] =>
  steps.map((each) => `${each.name} ${each.outcome}`);

describe('when a bundle has a rehearsal', () => {
  it('names it, on the page too, and says that it was not repeated', async () => {
    const folder = scratch.copy(small.folder);
    const { bundle } = await rehearsedBundle(small, folder);
    const made = await report(folder);
    expect(made).toMatchObject({
      schema: 'stowage/report/v2',
      outcome: 'passed',
      rehearsal: {
        summary: expect.stringMatching(/^passed at 2026-11-20T10:00:00Z on podman/),
        ...{ passed: true, at: '2026-11-20T10:00:00Z', target: 'podman' },
        content: rehearsedDigest(bundle),
      },
    });
    expect(made.unchecked.map(({ what }) => what)).toContain('the rehearsal');
    expect(reportHtml(made).toString('utf8')).toContain('passed at 2026-11-20T10:00:00Z');
  });

  it('says why one does not count that somebody else put there', async () => {
    const folder = scratch.copy(small.folder);
    await rehearsedBundle(small, folder);
    const other = planted({ ...small, folder }, Buffer.from('{"passed":true}'));
    const made = await report(other.folder);
    expect(made.rehearsal).toEqual({ summary: expect.stringContaining('it does not count') });
  });

  it('has an older version without one', async () => {
    const { rehearsal, schema } = await report(small.folder);
    expect([rehearsal, schema]).toEqual([undefined, 'stowage/report/v1']);
  });
});

describe('when a verification passes', () => {
  it('reports the bundle, the signers, the amounts and the order of the steps', async () => {
    const made = await report(small.folder);
    const { bundle } = small;
    expect(made.outcome).toBe('passed');
    expect(made.id).toBe(small.id);
    expect(made.bundle).toMatchObject({ name: 'chat', version: '1.0.0', seq: 1 });
    expect(outcomes(made)).toEqual(
      ['trust', 'signatures', 'index', 'identity', 'sequence', 'inventory', 'verify'].map(
        (name) => `${name} passed`,
      ),
    );
    const parts = bundle.blobs.flatMap((each) => each.parts);
    expect(made.steps.at(-1)).toMatchObject({
      files: parts.length,
      bytes: parts.reduce((sum, each) => sum + each.size, 0),
    });
    expect(made.steps.find((each) => each.name === 'signatures')).toMatchObject({ signatures: 1 });
    for (const step of made.steps) {
      expect(step.milliseconds).toBeGreaterThan(0);
      expect(step.checks).not.toContain('not described');
    }
    expect(made.milliseconds).toBe(Date.parse(made.endedAt) - Date.parse(made.startedAt));
  });

  it('identifies signers by certificate and key, counted or not', async () => {
    const made = await reportAfter((folder) =>
      signBundle(folder, 'other', stranger.signer, packedAt),
    );
    const { certificate } = verifyDetached(
      readFileSync(join(small.folder, 'signatures/release.p7s')),
      readFileSync(join(small.folder, 'SHA512SUMS')),
      new Set(['ecdsa-p384-sha384']),
    );
    expect(made.outcome).toBe('passed');
    expect(made.signatures).toMatchObject([
      {
        file: 'signatures/other.p7s',
        counted: false,
        reason: expect.stringContaining('no root'),
        signer: { certificate: stranger.signer.certificate.fingerprint },
      },
      {
        file: 'signatures/release.p7s',
        counted: true,
        signer: {
          subject: certificate.subject,
          serial: certificate.serial,
          certificate: certificate.fingerprint,
          key: certificate.keyFingerprint,
          algorithm: 'ecdsa-p384-sha384',
          signingTime: '2026-11-21T10:00:00Z',
          root: 'root',
        },
      },
    ]);
  });

  describe('under a trust document with the role approval', () => {
    const officer = makeAuthority('Security Office');
    const asking = (): Trust => ({
      ...small.trust,
      roots: [
        ...small.trust.roots,
        { name: 'officer', certificate: officer.root.der.toString('base64') },
      ],
      roles: { ...small.trust.roles, approval: { threshold: 1, roots: ['officer'] } },
    });

    it('marks the signatures that approve, also for a rejected bundle', async () => {
      const folder = scratch.copy(small.folder);
      await signBundle(folder, 'officer', officer.signer, packedAt);
      const made = await report(folder, asking());
      expect(made.signatures.map(({ file, approves }) => [file, approves])).toEqual([
        ['signatures/officer.p7s', true],
        ['signatures/release.p7s', undefined],
      ]);
      expect(reportHtml(made).toString()).toContain('This requirement is met');
      appendFileSync(join(folder, 'oci-layout'), ' ');
      const refused = await report(folder, asking());
      expect(refused.outcome).toBe('failed');
      expect(refused.signatures[0]).toMatchObject({ approves: true });
    });

    it('reports that the approval is missing', async () => {
      const made = await report(small.folder, asking());
      expect(made.outcome).toBe('passed');
      expect(made.signatures.filter(({ approves }) => approves)).toEqual([]);
      expect(reportHtml(made).toString()).toContain('<b>not</b> met');
      expect(reportHtml(await report(small.folder)).toString()).not.toContain('the role approval');
    });
  });

  it('lists the recalls in a bundle', async () => {
    const recalls = [{ release: 'chat', versions: '<1.2.0', reason: 'it <leaks>' }];
    const { authority } = small;
    const notice = await smallBundle({ place: scratch.fresh(), authority, notice: true, recalls });
    const made = await report(notice.folder);
    expect(made.contents?.recalls).toEqual(recalls);
    expect(reportHtml(made).toString()).toContain('it &lt;leaks&gt;');
    expect((await report(small.folder)).contents).not.toHaveProperty('recalls');
  });

  it('lists the contents, the findings and the trusted roots', async () => {
    const made = await report(small.folder);
    const { models, images, files } = small.bundle;
    expect(models[0]?.files[1]).toHaveProperty('gitOid');
    expect(made.contents?.models.map((each) => each.files)).toEqual(
      models.map((m) => m.files.map(({ path, size, digest }) => ({ path, size, digest }))),
    );
    expect(made.contents?.models[0]).toMatchObject({ repository: 'example/tiny' });
    expect(made.contents?.images[0]?.digest).toBe(images[0]?.target.digest);
    expect(made.contents?.files[0]?.digest).toBe(files[0]?.digest);
    expect(made.findings).toEqual([]);
    expect(made.trust).toMatchObject({
      kind: 'root',
      fingerprint: small.root.fingerprint,
      roots: [{ certificate: small.root.fingerprint, subject: small.root.subject }],
    });
    expect(made.trust.walkedFrom).toBeUndefined();
  });

  it('includes the findings of the lock', async () => {
    const finding = {
      source: 'tiny',
      file: 'modeling.py',
      rule: 'remote-code',
      severity: 'warning',
      message: 'python that a server may run',
    } as const;
    const made = await reportAfter((folder) => {
      const lock = join(folder, 'attestations/lock.json');
      const { schema: _, digest: __, ...rest } = readJson(lockKind, readFileSync(lock));
      const sealed = sealLock({ ...rest, findings: [finding] });
      writeFileSync(lock, JSON.stringify(sealed));
      resign(folder, small.authority);
    });
    expect(made.outcome).toBe('passed');
    expect(made.findings).toEqual([finding]);
  });

  it('omits findings that it cannot read, and reports that', async () => {
    const made = await reportAfter((folder) => {
      writeFileSync(join(folder, 'attestations/lock.json'), '{"schema":"stowage/lock/v9"}');
      resign(folder, small.authority);
    });
    expect(made.outcome).toBe('passed');
    expect(made.findings).toBeUndefined();
    expect(JSON.stringify(made.unchecked)).toContain('no findings that could be read');
  });

  it('lists what was not checked', async () => {
    const made = await report(small.folder);
    const text = made.unchecked.map((each) => each.what).join('\n');
    for (const each of [
      'trust anchor',
      'recent revocations',
      'history of the site',
      'malware',
      'this program',
    ])
      expect(text).toContain(each);
    expect(text).not.toContain('remaining parts');
    expect(text).not.toContain('not run');
  });
});

describe('when a verification fails', () => {
  const failures: readonly (readonly [
    string,
    string,
    string,
    'known' | 'unknown',
    (folder: string) => unknown,
  ])[] = [
    [
      'a damaged part',
      'verify',
      'part-damaged',
      'known',
      (folder) => {
        const path = join(folder, small.bundle.blobs.flatMap((each) => each.parts)[0]?.path ?? '');
        const bytes = readFileSync(path);
        bytes[0] = (bytes[0] ?? 0) ^ 1;
        writeFileSync(path, bytes);
      },
    ],
    [
      'a file too many',
      'inventory',
      'file-unexpected',
      'known',
      (folder) => writeFileSync(join(folder, 'evil'), ''),
    ],
    [
      'a missing part',
      'inventory',
      'part-missing',
      'known',
      (folder) => rmSync(join(folder, 'blobs'), { recursive: true }),
    ],
    [
      'a changed index',
      'index',
      'part-damaged',
      'unknown',
      (folder) => appendFileSync(join(folder, 'bundle.json'), ' '),
    ],
    [
      'a changed list',
      'signatures',
      'signature-invalid',
      'unknown',
      (folder) => appendFileSync(join(folder, 'SHA512SUMS'), 'x'),
    ],
    [
      'no signature',
      'signatures',
      'signature-missing',
      'unknown',
      (folder) => rmSync(join(folder, 'signatures'), { recursive: true }),
    ],
    [
      'no list',
      'signatures',
      'bundle-absent',
      'unknown',
      (folder) => rmSync(join(folder, 'SHA512SUMS')),
    ],
  ];

  it.each(failures)('reports %s at step %s', async (_, step, code, bundle, change) => {
    const made = await reportAfter(change);
    expect(made.outcome).toBe('failed');
    expect(made.failure?.code).toBe(code);
    expect(made.failure?.hint).not.toBe('');
    const names = outcomes(made);
    const at = names.indexOf(`${step} failed`);
    expect(at).toBeGreaterThanOrEqual(0);
    expect(names.slice(0, at).every((each) => each.endsWith(' passed'))).toBe(true);
    expect(names.slice(at + 1)).toEqual(
      step === 'inventory'
        ? ['verify passed']
        : names.slice(at + 1).map((each) => each.replace(/ .*/, ' not-run')),
    );
    expect(made.steps.at(-1)?.name).toBe('verify');
    expect(made.bundle?.name).toBe(bundle === 'known' ? 'chat' : undefined);
    expect(made.contents === undefined).toBe(bundle === 'unknown');
    const text = made.unchecked.map(({ what }) => what).join();
    expect(text.includes('the steps not run')).toBe(!['inventory', 'verify'].includes(step));
    expect(text).not.toContain('the remaining parts');
    expect(made.absent).toBeUndefined();
  });

  it('names the parts that it did not read, if it stopped while reading them', async () => {
    const stop = new AbortController();
    const record = await recordVerification([small.folder], {
      ...context(),
      trust: small.trust,
      signal: stop.signal,
      emit: (event) => {
        if (event.type === 'step' && event.step === 'verify') stop.abort();
      },
    });
    const { fingerprint, subject } = small.root;
    const made = await makeReport(record, {
      folders: [small.folder],
      given: { trust: small.trust, fingerprint, subject },
      running,
      failure: toStowageError(record.error),
    });
    expect(made.failure?.code).toBe('interrupted');
    expect(outcomes(made).at(-1)).toBe('verify failed');
    expect(made.unchecked[0]?.what).toContain('the remaining parts');
  });

  it('does not name a bundle without a trusted signature', async () => {
    const made = await reportAfter((folder) => resign(folder, stranger));
    expect(made.failure?.code).toBe('signer-untrusted');
    expect(made.bundle).toBeUndefined();
    expect(made.contents).toBeUndefined();
    expect(made.findings).toBeUndefined();
    expect(made.id).toMatch(/^[0-9a-f]{128}$/);
    expect(made.signatures).toMatchObject([
      { counted: false, signer: { subject: stranger.signer.certificate.subject } },
    ]);
  });

  it('distinguishes an invalid signature from a valid one', async () => {
    const made = await reportAfter((folder) =>
      writeFileSync(join(folder, 'signatures/aaa.p7s'), 'no DER'),
    );
    expect(made.failure?.code).toBe('signature-malformed');
    expect(made.signatures).toMatchObject([
      { file: 'signatures/aaa.p7s', counted: false, reason: expect.stringContaining('malformed') },
      { file: 'signatures/release.p7s', counted: true },
    ]);
    expect(made.signatures[0]?.signer).toBeUndefined();
  });

  it('reports the counted signatures when there are too few', async () => {
    const folder = scratch.copy(small.folder);
    const { roles } = small.trust;
    const two = { ...roles, release: { ...roles.release, threshold: 2 } };
    const made = await report(folder, { ...small.trust, roles: two });
    expect(made.failure?.code).toBe('threshold-unmet');
    expect(made.signatures).toMatchObject([{ counted: true }]);
    expect(made.bundle).toBeUndefined();
  });

  it('puts text from the medium on one line', async () => {
    const made = await reportAfter((folder) => writeFileSync(join(folder, 'a\nb\u001b[2J'), ''));
    expect(made.failure?.message).not.toMatch(/\p{Cc}/u);
  });
});

describe('when a verification is recorded', () => {
  it('passes every event on', async () => {
    const listening = context();
    await recordVerification([small.folder], { ...listening, trust: small.trust });
    const steps = listening.events.filter((each) => each.type === 'step');
    expect(steps.length).toBeGreaterThan(4);
    expect(listening.events.some((each) => each.type === 'progress')).toBe(true);
  });

  it('records no negative duration when the clock goes back', async () => {
    let at = packedAt.getTime();
    const now = (): Date => {
      at -= 1000;
      return new Date(at);
    };
    const { steps } = await recordVerification([small.folder], {
      ...context({ now }),
      trust: small.trust,
    });
    expect(steps.every((each) => each.milliseconds === 0)).toBe(true);
  });
});

describe('when a bundle is on discs', () => {
  let dealt: SmallBundle;
  let discs: string[];

  beforeAll(async () => {
    const { authority } = small;
    const sizes = { partSize: 4 * MIB, weights: 18 * MIB };
    const deal = { size: 8 * MIB, parity: false };
    dealt = await smallBundle({ place: scratch.fresh(), authority, ...sizes, discs: deal });
    discs = await findDiscs([dealt.folder]);
  });

  it('passes when all discs are given, and counts every part', async () => {
    const made = await report(discs);
    expect(made).toMatchObject({ outcome: 'passed', folder: discs.join(', ') });
    expect(made.absent).toBeUndefined();
    const parts = dealt.bundle.blobs.flatMap((each) => each.parts);
    expect(made.steps.at(-1)).toMatchObject({ name: 'verify', files: parts.length });
  });

  it('is incomplete when discs are missing, and reports how much was not checked', async () => {
    const [first = ''] = discs;
    const made = await report([first]);
    const { absent } = made;
    expect(made.outcome).toBe('incomplete');
    const [checked] = made.steps.filter(({ name }) => name === 'verify');
    const parts = dealt.bundle.blobs.flatMap((each) => each.parts);
    expect((absent?.parts ?? 0) + (checked?.files ?? 0)).toBe(parts.length);
    expect(made.unchecked[0]?.what).toBe(
      `${absent?.parts} parts, ${exactBytes(absent?.bytes ?? 0)}`,
    );
    const page = reportHtml(made, undefined).toString();
    expect(page).toContain('<strong>Incomplete</strong>');
    expect(page).not.toContain('<strong>Passed</strong>');
  });

  it('fails when a part on one of them is damaged, and names the disc', async () => {
    const copy = scratch.copy(dealt.folder);
    const [, second = ''] = await findDiscs([copy]);
    const [part = ''] = readdirSync(join(second, 'blobs/sha256'));
    appendFileSync(join(second, 'blobs/sha256', part), 'x');
    const made = await report(await findDiscs([copy]));
    expect(made).toMatchObject({ outcome: 'failed', failure: { code: 'part-damaged' } });
    expect(made.failure?.message).toContain('disc-2-of-');
  });
});
