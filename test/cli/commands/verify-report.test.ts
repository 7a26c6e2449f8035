import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sriHex, sriOf } from '../../../src/core/digest.ts';
import type { ErrorCode } from '../../../src/core/error.ts';
import { readJson } from '../../../src/format/document.ts';
import { type Report, reportKind } from '../../../src/format/report.ts';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { encodePrivateKey } from '../../../src/trust/key.ts';
import { type Ran, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { makeAuthority, smallBundle } from '../../support/small-bundle.ts';
import { tree } from '../../support/tree.ts';
import { atSigning, openssl } from '../../trust/openssl.ts';

const scratch = scratchFolder();
const authority = makeAuthority();
const stranger = makeAuthority('Other Agency');
let packed: string;
let place: string;
let bundle: string;

beforeAll(async () => {
  packed = (await smallBundle({ place: scratch.fresh(), authority })).folder;
});

beforeEach(() => {
  place = scratch.fresh();
  mkdirSync(place);
  writeFileSync(join(place, 'root.pem'), encodeCertificate(authority.root));
  writeFileSync(join(place, 'own.pem'), encodeCertificate(authority.signer.certificate));
  writeFileSync(join(place, 'own.key'), encodePrivateKey(authority.signer.key));
  writeFileSync(join(place, 'other.key'), encodePrivateKey(stranger.signer.key));
  bundle = scratch.copy(packed);
});

const verify = (...args: readonly string[]): Promise<Ran> =>
  runProgram(['verify', bundle, '--trust', 'root.pem', ...args], place, {
    program: '/nowhere/main.ts',
  });
const read = (name: string): Buffer => readFileSync(join(place, name));
const report = (name = 'r.json'): Report => readJson(reportKind, read(name));
const signing = ['--report-key', 'own.key', '--report-certificate', 'own.pem'];

/** Fails with the code, and leaves the desk and the bundle as they were. */
async function refuse(code: ErrorCode, ...args: readonly string[]): Promise<Ran> {
  const before = [tree(place), tree(bundle)];
  const ran = await verify(...args);
  expect(ran.error?.code).toBe(code);
  expect([tree(place), tree(bundle)]).toEqual(before);
  return ran;
}

/** Nothing was verified: no step began. */
function expectNoWork(ran: Ran): void {
  expect(ran.stderr).not.toMatch(/^(?:trust|signatures)$/m);
}

describe('when a verification writes a report', () => {
  it('writes both formats, and the page has the digest of the JSON report', async () => {
    const before = tree(bundle);
    const ran = await verify('--report', 'r.json', '--report', 'r.html');
    expect(ran.status).toBe(0);
    expect(ran.stdout).toContain(`  report: ${join(place, 'r.json')}\n`);
    expect(report()).toMatchObject({
      outcome: 'passed',
      folder: bundle,
      host: { node: '24.0.0', openssl: '3.5.0' },
    });
    expect(report().tool.sha512).toBeUndefined();
    const page = read('r.html').toString();
    const text = page.replace(/<[^>]*>/g, '');
    expect(text).toContain(sriHex(sriOf(read('r.json'))));
    expect(page).toContain('<strong>Passed</strong>');
    expect(tree(bundle)).toEqual(before);
    expect(readdirSync(place).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('lists the reports in the JSON result', async () => {
    const ran = await verify('--report', 'r.html', '--json');
    expect(JSON.parse(ran.stdout)).toMatchObject({
      verified: true,
      reports: [join(place, 'r.html')],
    });
  });

  it('writes the report of a refusal before it exits', async () => {
    writeFileSync(join(bundle, 'evil'), '');
    const ran = await verify('--report', 'r.json', '--report', 'r.html', ...signing);
    expect([ran.status, ran.error?.code]).toEqual([10, 'file-unexpected']);
    expect(ran.stderr).toContain(join(place, 'r.json'));
    expect(report()).toMatchObject({
      outcome: 'failed',
      failure: { code: 'file-unexpected', exitStatus: 10, found: '"evil"' },
    });
    expect(read('r.html').toString()).toContain('Rejected');
    expect(readdirSync(place)).toContain('r.json.p7s');
  });

  it('writes none if the verification is interrupted', async () => {
    const controller = new AbortController();
    controller.abort();
    const before = tree(place);
    const ran = await runProgram(
      ['verify', bundle, '--trust', 'root.pem', '--report', 'r.json'],
      place,
      { program: '/nowhere/main.ts', signal: controller.signal },
    );
    expect(ran.status).toBe(130);
    expect(tree(place)).toEqual(before);
  });

  it('exits with the error of the verification, even if the report fails too', async () => {
    writeFileSync(join(bundle, 'evil'), '');
    const ran = await runProgram(
      ['verify', bundle, '--trust', 'root.pem', '--report', 'r.json'],
      place,
      { program: '/nowhere/main.js' },
    );
    expect([ran.status, ran.error?.code]).toEqual([10, 'file-unexpected']);
    expect(ran.stderr).toContain('the report could not be written');
    expect(readdirSync(place)).not.toContain('r.json');
  });

  it('fails if the bundle is valid but the report cannot be written', async () => {
    const ran = await runProgram(
      ['verify', bundle, '--trust', 'root.pem', '--report', 'r.json'],
      place,
      { program: '/nowhere/main.js' },
    );
    expect([ran.status, ran.error?.code]).toEqual([1, 'file-missing']);
    expect(readdirSync(place)).not.toContain('r.json');
  });
});

describe('when the report is signed', () => {
  it('is verified by openssl, but not after a byte has changed', async () => {
    expect((await verify('--report', 'r.json', ...signing)).status).toBe(0);
    const check = (): boolean =>
      openssl(
        [
          ...['cms', '-verify', '-binary', '-purpose', 'any', '-no-CApath', '-no-CAstore'],
          ...['-CAfile', 'root.pem', '-inform', 'DER', '-in', 'r.json.p7s'],
          ...['-content', 'r.json', '-out', '/dev/null'],
          ...atSigning,
        ],
        place,
      ).ok;
    expect(check()).toBe(true);
    writeFileSync(join(place, 'r.json'), ' ', { flag: 'a' });
    expect(check()).toBe(false);
  });

  it.each<[string, ErrorCode, string[]]>([
    ['a key of another', 'key-invalid', ['--report-key', 'other.key', ...signing.slice(2)]],
    ['a key alone', 'usage-invalid', signing.slice(0, 2)],
    ['a certificate alone', 'usage-invalid', signing.slice(2)],
    ['a key that is not there', 'file-missing', ['--report-key', 'x', ...signing.slice(2)]],
  ])('refuses %s before any work', async (_, code, options) => {
    expectNoWork(await refuse(code, '--report', 'r.json', ...options));
  });

  it('refuses a key without a JSON report', async () => {
    expectNoWork(await refuse('usage-invalid', '--report', 'r.html', ...signing));
    expectNoWork(await refuse('usage-invalid', ...signing));
  });
});

describe('when the report cannot be written there', () => {
  it.each(['r.json', 'r.html', 'r.json.p7s'])(
    'refuses an existing %s before any work',
    async (name) => {
      writeFileSync(join(place, name), 'old');
      const args = ['--report', 'r.html', '--report', 'r.json', ...signing];
      expectNoWork(await refuse('output-exists', ...args));
      expect(read(name).toString()).toBe('old');
    },
  );

  it('refuses a folder that does not exist', async () => {
    expectNoWork(await refuse('file-missing', '--report', 'x/r.json'));
  });

  it('refuses the bundle itself, also by another path', async () => {
    expectNoWork(await refuse('usage-invalid', '--report', join(bundle, 'r.json')));
    expectNoWork(await refuse('usage-invalid', '--report', join(bundle, 'blobs/r.html')));
  });

  it.each(['r.txt', 'r', '.json', 'r.json.pdf'])('refuses the ending of %s', async (name) => {
    expectNoWork(await refuse('usage-invalid', '--report', name));
  });

  it('refuses the same name twice', async () => {
    expectNoWork(await refuse('usage-invalid', '--report', 'r.json', '--report', './r.json'));
  });
});
