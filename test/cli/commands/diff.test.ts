import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodePem } from '../../../src/trust/pem.ts';
import { type Ran, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import {
  makeAuthority,
  resign,
  type SmallBundle,
  smallBundle,
} from '../../support/small-bundle.ts';
import { tree } from '../../support/tree.ts';

const scratch = scratchFolder();
const authority = makeAuthority();
let place: string;
let old: SmallBundle;
let next: SmallBundle;
const run = (...args: readonly string[]): Promise<Ran> => runProgram(['diff', ...args], place);

beforeAll(async () => {
  place = scratch.fresh();
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'root.pem'), encodePem('CERTIFICATE', authority.root.der));
  old = await smallBundle({ place: scratch.fresh(), authority });
  next = await smallBundle({
    place: scratch.fresh(),
    authority,
    version: '1.1.0',
    seq: 2,
    crumbs: 40,
  });
});

describe('when two bundles differ', () => {
  it('shows the changes, the transfer size, and that nothing was verified', async () => {
    const before = tree(old.folder);
    const ran = await run(old.folder, next.folder);
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    for (const text of [
      'chat 1.0.0 (channel stable, sequence 1) -> chat 1.1.0 (channel stable, sequence 2)',
      'NOT VERIFIED',
      /to transfer: [\d.]+ KiB in \d+ blobs/,
      '~ version: 1.0.0 -> 1.1.0',
      /~ model\.safetensors {2}4\.9 KiB -> 4\.9 KiB/,
      '+ crumbs/0.bin  100 B',
      /\.\.\. \d+ more.*; use --all to show all/,
      '~ digest: sha256:',
    ])
      expect(ran.stdout).toMatch(text);
    expect((await run(old.folder, next.folder, '--all')).stdout).toContain('+ crumbs/39.bin');
    expect(tree(old.folder)).toEqual(before);
  });

  it('verifies the signatures of both if given trust', async () => {
    const ran = await run(old.folder, next.folder, '--trust', 'root.pem');
    expect(ran.stdout).toContain(
      'signatures and file lists of both are valid; parts were not read',
    );
    const changed = scratch.copy(next.folder);
    resign(changed, makeAuthority('Example Thief'));
    const refused = await run(old.folder, changed, '--trust', 'root.pem');
    expect(refused).toMatchObject({ status: 10, stdout: '', error: { code: 'signer-untrusted' } });
  });

  it.each(['first', 'second'])('names the one that has no signature: the %s', async (which) => {
    const unsigned = scratch.copy(next.folder);
    rmSync(join(unsigned, 'signatures'), { recursive: true });
    const both = which === 'first' ? [unsigned, old.folder] : [old.folder, unsigned];
    const { error } = await run(...both, '--trust', 'root.pem');
    expect(error?.code).toBe('signature-missing');
    expect(error?.message).toContain(unsigned);
    expect(error?.message).not.toContain(old.folder);
  });

  it('shows the signers as not checked', async () => {
    const foreign = scratch.copy(old.folder);
    resign(foreign, makeAuthority('Example Thief'));
    const { stdout } = await run(old.folder, foreign);
    expect(stdout).toContain('the contents are identical');
    expect(stdout).toMatch(/\+ O=Example Thief.*: not checked/);
    expect(stdout).toMatch(/- O=Example Agency.*: not checked/);
  });

  it('exits with 1 for a difference if requested, and with 0 otherwise', async () => {
    expect((await run(old.folder, next.folder, '--exit-code')).status).toBe(1);
    expect((await run(old.folder, old.folder, '--exit-code')).status).toBe(0);
  });

  it('returns the result as data', async () => {
    const data = JSON.parse((await run(old.folder, next.folder, '--json')).stdout) as object;
    expect(data).toMatchObject({
      from: { kind: 'bundle', id: old.id, verified: false },
      to: { id: next.id },
      same: false,
    });
  });

  it('escapes control characters in a bundle (attack 83)', async () => {
    const hostile = scratch.copy(old.folder);
    resign(hostile, authority, { index: (bundle) => ({ ...bundle, description: 'exe\u202egpj' }) });
    const { stdout } = await run(old.folder, hostile);
    expect(stdout).toContain('<U+202E>');
    expect(stdout).not.toContain('\u202e');
  });
});

describe('when two locks differ', () => {
  it('compares them like bundles', async () => {
    const [a, b] = [old, next].map(({ folder }) => join(folder, 'attestations/lock.json'));
    const ran = await run(a ?? '', b ?? '');
    expect(ran.stdout).toContain('locks are not signed');
    expect(ran.stdout).toContain('~ version: 1.0.0 -> 1.1.0');
  });

  it('refuses to compare a lock with a bundle, and a missing path', async () => {
    const lock = join(old.folder, 'attestations/lock.json');
    expect((await run(old.folder, lock)).error?.code).toBe('usage-invalid');
    expect((await run(old.folder, join(place, 'nowhere'))).error?.code).toBe('file-missing');
    expect((await run(old.folder, place)).error?.code).toBe('bundle-absent');
  });
});
