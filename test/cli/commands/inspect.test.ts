import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { assemble } from '../../../src/build/assemble.ts';
import { digestOf } from '../../../src/core/digest.ts';
import { MIB } from '../../../src/core/limits.ts';
import { sealLock } from '../../../src/format/lock.ts';
import { service } from '../../../src/format/service.ts';
import type { SignatureVerdict } from '../../../src/format/upstream.ts';
import { encodePem } from '../../../src/trust/pem.ts';
import { contextOf, relock, sampleOf, storeOf } from '../../build/samples.ts';
import { runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { makeAuthority, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder();
const trusted = [{ path: 'vendor.pub', digest: digestOf(Buffer.from('k')) }];

/** What `inspect` says of a bundle whose model and image have these verdicts. */
async function inspected(model: SignatureVerdict, image: SignatureVerdict): Promise<string> {
  const { lock, blobs } = sampleOf(100);
  const store = await storeOf(scratch.fresh('store'), blobs);
  const output = scratch.fresh('bundle');
  const whole = relock(lock, {
    manifest: {
      ...lock.manifest,
      models: lock.manifest.models.map((each) => ({ ...each, signature: { key: 'vendor.pub' } })),
      images: lock.manifest.images.map((each) => ({ ...each, signature: { key: 'vendor.pub' } })),
    },
    models: lock.models.map((each) => ({ ...each, signature: model })),
    images: lock.images.map((each) => ({ ...each, signature: image })),
  });
  const { bundle } = await assemble(whole, { ...contextOf(), store, output, partSize: 0 });
  expect(bundle.control.map(({ path }) => path)).toContain('attestations/upstream-server.vsa.json');
  const ran = await runProgram(['inspect', output], scratch.root);
  expect(ran.status).toBe(0);
  return ran.stdout;
}

describe('when the lock decided settings that the manifest leaves open', () => {
  it('marks them with the reason, in the text, on the page and in the index', async () => {
    const { lock, blobs } = sampleOf(100);
    const store = await storeOf(scratch.fresh('store'), blobs);
    const output = scratch.fresh('bundle');
    const one = service.parse({ name: 'chat', image: lock.manifest.images[0]?.name });
    const derived = [
      {
        ...{ service: one.name, field: 'sharedMemory' as const, value: 1024 * MIB },
        reason: 'processes of vllm exchange tensors through /dev/shm',
      },
    ];
    const { schema: _, digest: __, ...fields } = lock;
    const whole = sealLock({
      ...{ ...fields, derived },
      manifest: { ...lock.manifest, services: [one] },
    });
    const { bundle } = await assemble(whole, { ...contextOf(), store, output, partSize: 0 });
    expect(bundle).toMatchObject({ schema: 'stowage/bundle/v3', derived });
    const mark = 'sharedMemory 1.00 GiB: processes of vllm exchange tensors through /dev/shm';
    const text = await runProgram(['inspect', output], scratch.root);
    expect(text.stdout.replace(/\s+/g, ' ')).toContain(`derived by lock: ${mark}`);
    const page = scratch.fresh('page.html');
    await runProgram(['inspect', output, '--html', page], scratch.root);
    expect(readFileSync(page, 'utf8')).toContain(mark);
  });
});

describe('when the contents of a bundle were signed by their publishers', () => {
  it('shows signer, time and method', async () => {
    const text = await inspected(
      {
        result: 'passed',
        form: 'model-signing',
        trusted,
        log: 'none',
        signer: { key: 'a'.repeat(64) },
      },
      {
        result: 'passed',
        form: 'cosign',
        trusted,
        log: 'verified',
        signedAt: '2026-11-20T10:00:00Z',
        signer: { key: 'b'.repeat(64), identities: ['release@vendor.example'] },
      },
    );
    expect(text).toContain(
      `verified when the bundle was locked: key ${'a'.repeat(64)} (model-signing)`,
    );
    expect(text).toContain('release@vendor.example, 2026-11-20T10:00:00Z by its log (cosign)');
  });

  it('shows failed and absent signatures and the number of packages', async () => {
    const text = await inspected(
      { result: 'failed', reason: 'a file is not signed', trusted, log: 'none' },
      { result: 'absent', reason: 'no signature', trusted, log: 'none' },
    );
    expect(text).toContain("publisher's signature failed: a file is not signed");
    expect(text).toContain("publisher's signature absent: no signature");
    // The sample's layer is no tar.
    expect(text).toContain(' 0 packages, and 1 place that could not be read');
  });
});

describe('when a list is long', () => {
  it('shows its beginning and a count of the rest, or all with --all', async () => {
    const { folder } = await smallBundle({ place: scratch.fresh(), crumbs: 30 });
    const short = (await runProgram(['inspect', folder], scratch.root)).stdout;
    expect(short).toContain('crumbs/13.bin');
    expect(short).not.toContain('crumbs/14.bin');
    expect(short).toMatch(/\.\.\. 16 more, 14\.0 KiB; use --all to show all/);
    const long = (await runProgram(['inspect', folder, '--all'], scratch.root)).stdout;
    expect(long).toContain('crumbs/29.bin');
    expect(long).not.toContain('more');
  });
});

describe('when a bundle is on discs', () => {
  it('shows the discs given and the number of parts on others', async () => {
    const { discs, folder } = await smallBundle({
      place: scratch.fresh(),
      discs: { size: 9 * MIB, parity: false },
      partSize: 4 * MIB,
      weights: 20 * MIB,
    });
    expect(discs.length).toBeGreaterThan(2);
    const all = (await runProgram(['inspect', folder], scratch.root)).stdout;
    expect(all).toMatch(/disc-1-of-\d {2}\d+ parts?, \d/);
    expect(all).not.toContain('on other discs');
    const [, second = ''] = discs;
    const one = await runProgram(['inspect', second, '--json'], scratch.root);
    expect(JSON.parse(one.stdout)).toMatchObject({ discs: [{ parts: expect.any(Number) }] });
    expect((await runProgram(['inspect', second], scratch.root)).stdout).toMatch(
      /\d+ parts? on other discs/,
    );
  });

  it('refuses discs of different bundles', async () => {
    const place = scratch.fresh();
    for (const [at, version] of ['1.0.0', '1.0.1'].entries()) {
      const { folder } = await smallBundle({ place: scratch.fresh(), version });
      cpSync(folder, join(place, `disc-${at + 1}-of-2`), { recursive: true });
    }
    const ran = await runProgram(['inspect', place], scratch.root);
    expect(ran.error?.code).toBe('bundle-mixed');
  });
});

describe('when a page is requested', () => {
  it('writes it, but never over a file or into the bundle', async () => {
    const { folder } = await smallBundle({ place: scratch.fresh() });
    const path = join(scratch.root, 'page.html');
    const ran = await runProgram(['inspect', folder, '--html', 'page.html'], scratch.root);
    expect(ran.stdout).toContain(`page: ${path}`);
    expect(readFileSync(path, 'utf8')).toContain('<strong>Not verified</strong>');
    const again = await runProgram(['inspect', folder, '--html', 'page.html'], scratch.root);
    expect(again).toMatchObject({ stdout: '', error: { code: 'output-exists' } });
    const inside = await runProgram(
      ['inspect', folder, '--html', `${folder}/a.html`],
      scratch.root,
    );
    expect(inside.error?.code).toBe('usage-invalid');
    const nowhere = await runProgram(['inspect', folder, '--html', 'no/a.html'], scratch.root);
    expect(nowhere.error?.code).toBe('file-missing');
  });

  it('leaves none if the bundle is refused', async () => {
    const { folder } = await smallBundle({ place: scratch.fresh() });
    const other = encodePem('CERTIFICATE', makeAuthority('Example Other').root.der);
    writeFileSync(join(scratch.root, 'other.pem'), other);
    const args = ['inspect', folder, '--trust', 'other.pem', '--html', 'none.html'];
    expect((await runProgram(args, scratch.root)).error?.code).toBe('signer-untrusted');
    expect(existsSync(join(scratch.root, 'none.html'))).toBe(false);
  });
});
