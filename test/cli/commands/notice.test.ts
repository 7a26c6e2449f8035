import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { encodePrivateKey } from '../../../src/trust/key.ts';
import { packedAt } from '../../support/context.ts';
import { type Ran, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { makeAuthority, type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { advisoryOf, recallOf } from '../../support/small-notice.ts';
import { smallScanner } from '../../support/small-scanner.ts';

// The whole way, at a site that runs no services: bundle out, receipt home, promotion, increment and notice out, receipt home.

const scratch = scratchFolder(true);
const { root } = scratch;
const authority = makeAuthority();
const KEY = ['--key', 'release.key.pem', '--certificate', 'release.pem'];
let clock = packedAt.getTime();
let one: SmallBundle;
let two: SmallBundle;

const run = (...args: readonly string[]): Promise<Ran> => piping(undefined, ...args);

/** Each command runs a minute after the one before. @param file what is piped into it */
const piping = (file: string | undefined, ...args: readonly string[]): Promise<Ran> => {
  clock += 60_000;
  const now = (): Date => new Date(clock);
  const env = { STOWAGE_FLEET: join(root, 'works'), STOWAGE_SITE: join(root, 'site') };
  const stdin = Readable.from(file === undefined ? [] : [readFileSync(join(root, file))]);
  return runProgram(args, root, { env: { ...env, PATH: process.env['PATH'] ?? '' }, now, stdin });
};

async function passes(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await run(...args);
  expect(status, stderr).toBe(0);
  return stdout;
}

const code = async (...args: readonly string[]): Promise<string | undefined> =>
  (await run(...args)).error?.code;

async function scansAtSite(): Promise<unknown> {
  return (JSON.parse(await passes('status', '--json')) as { scans: unknown }).scans;
}

async function receiptHome(): Promise<void> {
  await passes('receipt', 'write');
  await passes('fleet', 'take', 'site/receipts');
}

beforeAll(async () => {
  const { key, certificate } = authority.signer;
  writeFileSync(join(root, 'root.pem'), encodeCertificate(authority.root));
  writeFileSync(join(root, 'release.key.pem'), encodePrivateKey(key));
  writeFileSync(join(root, 'release.pem'), encodeCertificate(certificate));
  mkdirSync(join(root, 'site'));
  writeFileSync(
    join(root, 'site/site.yaml'),
    'apiVersion: stowage/v1\nname: vault\ntarget: depot\nchannels: [stable]\nchannel: stable\n',
  );
  const shape = { authority, weightsOf: 'both', weights: 3_000_000, installer: true };
  one = await smallBundle({ ...shape, place: join(root, 'one') });
  const later = { version: '1.1.0', seq: 2, channel: 'candidate' };
  two = await smallBundle({ ...shape, ...later, place: join(root, 'two') });
});

describe('when a fleet tells its sites something', () => {
  it('begins with a full bundle, and a receipt that comes home', async () => {
    const trust = ['--trust', 'root.pem', '--fingerprint', authority.root.fingerprint];
    await passes('install', one.folder, ...trust);
    await passes('fleet', 'init', 'works', '--name', 'works', ...trust);
    writeFileSync(
      join(root, 'works/fleet.yaml'),
      'apiVersion: stowage/v1\nname: works\nchannels: { candidate: {}, stable: { from: candidate } }\n',
    );
    const [receipt = ''] = readdirSync(join(root, 'site/receipts'));
    const shown = await passes('receipt', 'show', '--json');
    const { fingerprint } = JSON.parse(shown) as { fingerprint: string };
    const added = ['--channel', 'stable', '--fingerprint', fingerprint, ...KEY];
    await passes('fleet', 'add-site', `site/receipts/${receipt}`, ...added);
    await passes('fleet', 'add-release', one.folder, two.folder);
    await receiptHome();
    expect(await passes('fleet', 'next', 'vault')).toContain('nothing must travel');
    expect(await passes('fleet', 'next', 'vault', '--write', 'nothing')).toContain(
      'nothing must travel',
    );
  });

  it('writes the increment and the notice of a promotion, and says what it did', async () => {
    await passes('fleet', 'promote', 'chat@1.1.0', '--to', 'stable', ...KEY);
    expect(await code('fleet', 'next', 'vault', '--write', 'media')).toBe('usage-invalid');
    expect(await code('fleet', 'next', '--write', 'media')).toBe('usage-invalid');
    expect(await code('fleet', 'next', 'vault', ...KEY)).toBe('usage-invalid');
    const from = ['--from', two.folder, ...KEY];
    const written = await passes('fleet', 'next', 'vault', '--write', 'media', ...from);
    expect(written).toContain('recorded as dispatches/vault/1.json');
    expect(readdirSync(join(root, 'media')).toSorted()).toEqual([
      ...['1-chat-1.1.0', 'notice-works-1'],
    ]);
    const [bytes = 0, total = 0] = [...written.matchAll(/\(([0-9]+) bytes\)/g)].map(([, each]) =>
      Number(each),
    );
    expect(bytes / total, written).toBeLessThan(0.02);
    expect(await code('fleet', 'next', 'vault', '--write', 'media', ...from)).toBe('output-exists');
    expect(await passes('fleet', 'show', 'vault')).toMatch(
      /notice 1 \(1 promotion\) +no receipt since/,
    );
    const state = await passes('fleet', 'status');
    expect(state).toMatch(/UNDER WAY\n/);
    expect(state).toMatch(/notice 1 \(1 promotion\), chat 1\.1\.0, written .*; no receipt since/);
    expect(await passes('fleet', 'check')).toContain('documents and 7 ledger entries verified');
  });

  it('is told apart from a bundle by verify and inspect', async () => {
    const verified = await passes('verify', 'media/notice-works-1', '--trust', 'root.pem');
    expect(verified).toMatch(/^verified: notice 1 of works, made .*, for vault\n/);
    expect(verified).toContain('promotion of chat 1.1.0 to channel stable');
    const inspected = await passes('inspect', 'media/notice-works-1');
    expect(inspected).toContain('NOT VERIFIED');
    expect((await run('inspect', 'media/notice-works-1', '--html', 'x.html')).status).toBe(2);
  });

  it('lets the site in only after the notice, and completes the increment from its store', async () => {
    expect(await code('import', 'media/1-chat-1.1.0')).toBe('release-foreign');
    expect(await code('import', 'media/notice-works-1', 'media/1-chat-1.1.0')).toBe(
      'usage-invalid',
    );
    expect(await passes('import', 'media/notice-works-1')).toContain(
      'promoted: chat 1.1.0 to channel stable',
    );
    expect(await passes('import', 'media/notice-works-1')).toContain('nothing to do');
    await passes('import', 'media/1-chat-1.1.0');
    await passes('install', 'chat@1.1.0');
    expect(await passes('status')).toContain('notice 1 of works, imported ');
    await receiptHome();
    const shown = await passes('fleet', 'show', 'vault');
    expect(shown).toMatch(/notice 1 \(1 promotion\) +imported, /);
    expect(shown).toMatch(/chat 1\.1\.0 +runs, /);
    expect(await passes('fleet', 'status')).not.toContain('UNDER WAY');
    expect(await passes('fleet', 'next', 'vault', '--write', 'more', ...KEY)).toContain(
      'nothing must travel',
    );
  });

  it('recalls a release by notice, and sees in the next receipt that the site knows', async () => {
    const recall = ['--versions', '<1.1.0', '--reason', 'leaks prompts', '--forward'];
    await passes('fleet', 'recall', 'chat', ...recall, ...KEY);
    expect(await passes('fleet', 'next')).toContain('\n  notice: 1 recall\n');
    await passes('fleet', 'next', 'vault', '--write', 'recall');
    expect(await code('import', 'recall/notice-works-2')).toBe('signature-missing');
    await passes('sign', 'recall/notice-works-2', ...KEY, '--trust', 'root.pem');
    expect(await passes('import', 'recall/notice-works-2')).toContain('recalled: chat <1.1.0');
    expect((await run('rollback')).error?.code).toBe('release-recalled');
    expect(await passes('history')).toMatch(/notice 2 of works imported/);
    const before = await passes('fleet', 'releases');
    expect(before).not.toContain('imported by notice');
    await receiptHome();
    const after = await passes('fleet', 'releases');
    expect(after).toContain('imported by notice: vault');
    expect(after).toMatch(/recall of chat <1\.1\.0: leaks prompts; upgrade only\n/);
    expect(after).toContain('held, not running: vault');
    expect(await code('import', 'media/notice-works-1')).toBe('release-rollback');
  });

  it('tells the site what a scan found in what it runs', async () => {
    const built = new Date('2026-11-20T00:00:00Z');
    const scanner = smallScanner(join(root, 'bin'), { 'example/tiny': 'High' }, built);
    const installer =
      'the packages of installer:stowage-linux-x64: the SBOM does not list all of them';
    const unscanned = 'NOT SCANNED: no advisory about this bundle was imported';
    expect(await passes('status')).toContain(`\n    ${unscanned}\n`);
    expect(await scansAtSite()).toEqual([
      { release: 'chat', version: '1.1.0', bundle: expect.any(String) },
    ]);
    const scanned = await run('fleet', 'scan', '--scanner', scanner, '--db', 'db', ...KEY);
    expect([scanned.status, scanned.stderr]).toEqual([5, 'scan: chat 1.1.0\n']);
    expect(scanned.stdout).toMatch(
      /^chat 1\.1\.0: 1 vulnerability, 1 open, database of 2026-11-20\n/,
    );
    await passes('fleet', 'next', 'vault', '--write', 'scan', ...KEY);
    expect(await passes('inspect', 'scan/notice-works-3')).toMatch(
      /advisory of 2026-[^ ]* for chat 1\.1\.0 by grype with a database of 2026-11-20: 1 vulnerability, 1 open: CVE-2026-12 \(in triage\)/,
    );
    await passes('import', 'scan/notice-works-3');
    const state = await passes('status');
    expect(state).toMatch(
      /\n {4}scanned 2026-[^ ]*Z by grype with a database of 2026-11-20: 1 vulnerability, 1 open: CVE-2026-12/,
    );
    expect(state).toContain(`\n      NOT SCANNED: ${installer}\n`);
    expect(state).not.toMatch(new RegExp(`${unscanned}|advisory of`));
    const vulnerabilities = [{ id: 'CVE-2026-12', state: 'in_triage' }];
    const scan = { scanner: 'grype', vulnerabilities, notScanned: [installer], serial: 3 };
    expect(await scansAtSite()).toMatchObject([{ release: 'chat', version: '1.1.0', scan }]);
    expect(await passes('fleet', 'status')).toContain('notice 3 (1 advisory)');
    await receiptHome();
    expect(await passes('fleet', 'show', 'vault')).toMatch(/notice 3 \(1 advisory\) +imported, /);
  });

  it('shows advisories with their dates, and refuses what no notice carries', async () => {
    writeFileSync(join(root, 'chat.vex.json'), advisoryOf().bytes);
    const made = ['--issuer', 'watch', '--serial', '1', '--output', 'watch', ...KEY];
    const text = await passes('notice', 'chat.vex.json', ...made);
    expect(text).toContain(
      'advisory of 2026-11-19T08:00:00Z for chat 1.0.0: 1 vulnerability, 1 open',
    );
    await passes('import', 'watch');
    expect(await passes('status')).toContain('advisory of 2026-11-19T08:00:00Z for chat 1.0.0');
    const { advisories } = JSON.parse(await passes('status', '--json')) as { advisories: object[] };
    expect(advisories).toContainEqual(
      expect.objectContaining({ at: '2026-11-19T08:00:00Z', issuer: 'watch' }),
    );
    expect(await code('notice', 'root.pem', ...made)).toBe('document-invalid');
    writeFileSync(join(root, 'recall.json'), recallOf().bytes);
    expect(await code('notice', 'recall.json', ...made)).toBe('output-exists');
    const wrong = ['--issuer', 'The Watch', '--serial', '1'];
    expect((await run('notice', 'recall.json', ...wrong)).status).toBe(2);
  });
  it('is imported by install too, from its folder and from a pipe, and changes no service', async () => {
    const before = await passes('status');
    for (const serial of ['2', '3']) {
      const made = ['--issuer', 'watch', '--serial', serial, '--output', `watch-${serial}`, ...KEY];
      await passes('notice', 'recall.json', ...made);
    }
    expect((await run('install', 'watch-2', '--dry-run')).error?.message).toBe(
      'a notice has no plan: it changes no services',
    );
    expect(await passes('install', 'watch-2')).toBe(
      [
        'notice 2 of watch: imported and verified; running services are unchanged',
        '  recalled: chat <1.1.0: leaks prompts',
        '  nothing to install: what it announces is recorded',
        '',
      ].join('\n'),
    );
    await passes('stream', 'watch-3', '--output', 'watch.tar');
    const piped = await piping('watch.tar', 'install', '-');
    expect(piped.status, piped.stderr).toBe(0);
    expect(piped.stdout).toContain('notice 3 of watch: imported and verified');
    expect((await piping('watch.tar', 'import', '-')).stdout).toContain('nothing to do');
    expect((await piping('watch.tar', 'install', '-')).stdout).toContain('nothing to do');
    const damaged = readFileSync(join(root, 'watch.tar'));
    damaged[700] = (damaged[700] ?? 0) ^ 1;
    writeFileSync(join(root, 'damaged.tar'), damaged);
    expect((await piping('damaged.tar', 'install', '-')).status).toBe(10);
    expect((await passes('status')).replace('notice 3', 'notice 1')).toContain(
      before.split('\n')[1] ?? 'a release',
    );
  });
});
