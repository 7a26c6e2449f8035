import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { assemble } from '../../../src/build/assemble.ts';
import { signBundle } from '../../../src/bundle/signing/sign.ts';
import { MIB } from '../../../src/core/limits.ts';
import { readJson } from '../../../src/format/document.ts';
import { reportKind } from '../../../src/format/report.ts';
import { BlobStore } from '../../../src/io/blob-store.ts';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { context, packedAt } from '../../support/context.ts';
import { runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

// What is without optional parts says so in the same words, whoever asks: the officer with a medium, or the operator of a site.

const scratch = scratchFolder(true);
const { root } = scratch;
const LARGE = ['model/large', 'image/server-large', 'service/large'];
const WORDS = `without optional parts: ${LARGE.join(', ')}`;
let whole: SmallBundle;

beforeAll(async () => {
  const shape = { partSize: 4 * MIB, sizes: { small: 5000, large: 9 * MIB } };
  whole = await smallBundle({ ...shape, place: join(root, 'made') });
  const store = new BlobStore(join(root, 'made/store'));
  const output = join(root, 'reduced');
  const packing = { ...context(), store, output, partSize: 4 * MIB, installers: [] };
  await assemble(whole.lock, { ...packing, without: ['large'] });
  await signBundle(output, 'release', whole.signer, packedAt);
  writeFileSync(join(root, 'root.pem'), encodeCertificate(whole.root));
  mkdirSync(join(root, 'site'));
  writeFileSync(
    join(root, 'site/site.yaml'),
    'apiVersion: stowage/v1\nname: vault\ntarget: depot\nwith: { chat: [small] }\n',
  );
});

const TRUST = ['--trust', 'root.pem'];

/** Runs a command that must end with a status. @returns stdout */
async function shows(args: readonly string[], expected = 0): Promise<string> {
  const env = { STOWAGE_SITE: join(root, 'site'), PATH: process.env['PATH'] ?? '' };
  const { status, stdout, stderr } = await runProgram(args, root, { env });
  expect(status, stderr).toBe(expected);
  return stdout;
}

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
const json = async (...args: readonly string[]): Promise<any> =>
  JSON.parse(await shows([...args, '--json']));

describe('when a medium is without optional parts', () => {
  it('says so where it is verified, in both reports', async () => {
    const reports = ['--report', 'report.json', '--report', 'report.html'];
    const text = await shows(['verify', 'reduced', '--partial', ...TRUST, ...reports]);
    expect(text).toContain(`  ${WORDS}; nothing else is absent`);
    const report = readJson(reportKind, readFileSync(join(root, 'report.json')));
    expect(report.schema).toBe('stowage/report/v2');
    expect(report.bundle?.optional).toEqual(expect.arrayContaining(['model/small', ...LARGE]));
    expect(report.absent?.optional).toEqual(LARGE);
    expect(report.unchecked[0]?.what).toContain(`; these folders are ${WORDS}`);
    const page = readFileSync(join(root, 'report.html'), 'utf8');
    expect(page).toContain(WORDS);
    const { optionalAbsent } = await json('verify', 'reduced', '--partial', ...TRUST);
    expect(optionalAbsent).toEqual(LARGE);
  });

  it('says so where it is inspected, as text, data and page', async () => {
    const text = await shows(['inspect', 'reduced', '--html', 'reduced.html']);
    expect(text).toContain(`\n  ${WORDS}\n`);
    expect((await json('inspect', 'reduced')).optionalAbsent).toEqual(LARGE);
    const page = readFileSync(join(root, 'reduced.html'), 'utf8');
    expect(page).toContain(WORDS);
    expect(page).toContain('model/small');
  });

  it('is not said of a whole one', async () => {
    const text = await shows(['inspect', whole.folder, '--html', 'whole.html']);
    const verified = await shows(['verify', whole.folder, ...TRUST, '--report', 'whole.json']);
    const page = readFileSync(join(root, 'whole.html'), 'utf8');
    for (const each of [text, verified, page]) expect(each).not.toContain('without optional');
    expect(page).toContain('model/large');
    const report = readJson(reportKind, readFileSync(join(root, 'whole.json')));
    expect(report.outcome).toBe('passed');
    expect(report.bundle?.optional).toContain('model/large');
  });
});

describe('when a site does without optional parts', () => {
  it('says so when it imports, in its status before and after the installation', async () => {
    const trust = [...TRUST, '--fingerprint', whole.root.fingerprint];
    expect(await shows(['import', whole.folder, ...trust])).toContain(`  ${WORDS} (`);
    expect(await shows(['status'])).toMatch(
      new RegExp(`imported, not installed: chat .*\\n    ${WORDS}\\n`),
    );
    expect((await json('status')).imported).toMatchObject([{ leftOut: LARGE }]);
    await shows(['install', 'chat']);
    expect(await shows(['status'])).toContain(`\n    ${WORDS}\n`);
    const status = await json('status');
    expect(status.leftOut).toEqual([{ release: 'chat', bundle: whole.id, parts: LARGE }]);
    expect(status.imported).toEqual([]);
  });

  it('says nothing any more once it has them', async () => {
    const site = join(root, 'site/site.yaml');
    writeFileSync(site, readFileSync(site, 'utf8').replace('[small]', 'all'));
    await shows(['import', whole.folder]);
    await shows(['install', 'chat']);
    expect(await shows(['status'])).not.toContain('without optional parts');
    expect((await json('status')).leftOut).toEqual([]);
  });

  it('still shows its status when the stored index is damaged', async () => {
    const index = join(root, 'site/releases', whole.id.slice(0, 32), 'bundle.json');
    writeFileSync(index, '{}');
    expect((await json('status')).leftOut).toEqual([]);
  });
});
