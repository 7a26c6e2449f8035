import { execFileSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { admit } from '../../../src/bundle/admission/admit.ts';
import { readIndex, readIndexes } from '../../../src/bundle/read-index.ts';
import { attachRehearsal } from '../../../src/bundle/rehearsal/attach-rehearsal.ts';
import { attachedRehearsal } from '../../../src/bundle/rehearsal/attached-rehearsal.ts';
import { signBundle } from '../../../src/bundle/signing/sign.ts';
import { verifyParts } from '../../../src/bundle/verify.ts';
import type { ErrorCode } from '../../../src/core/error.ts';
import { MIB } from '../../../src/core/limits.ts';
import {
  type Rehearsal,
  type RehearsedAttempt,
  rehearsalKind,
  rehearsedDigest,
} from '../../../src/format/rehearsal.ts';
import { context, packedAt } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { withFailingWrites } from '../../support/failing-writes.ts';
import { rehearsalOf, unsign, writeRehearsal } from '../../support/rehearsed.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { tree } from '../../support/tree.ts';

const scratch = scratchFolder(true);
let small: SmallBundle;
let file: string;

beforeAll(async () => {
  small = await smallBundle({ place: scratch.fresh() });
  unsign(small.folder);
  file = writeRehearsal(scratch.fresh('rehearsal'), rehearsalOf(small.bundle), small);
});

const write = (values: Partial<Rehearsal>): string =>
  writeRehearsal(scratch.fresh('other'), rehearsalOf(small.bundle, values), small);

const attach = (folder: string, document = file, replace = false): Promise<unknown> =>
  attachRehearsal(folder, document, { replace });

/** Asserts that the code comes, and that no byte changed. */
async function expectUnchanged(
  run: (folder: string) => Promise<unknown>,
  code: ErrorCode,
  folder = scratch.copy(small.folder),
): Promise<string | undefined> {
  const before = tree(folder);
  const { found } = await expectCode(() => run(folder), code);
  expect(tree(folder)).toEqual(before);
  return found;
}

/** An attempt with long texts: many of them are a large document. */
const attempt = (name: string): RehearsedAttempt => ({
  ...{ protocol: 'tcp', name, port: 443, paths: ['GET /'.padEnd(256, 'x')], processes: [] },
  ...{ count: 1, first: '2026-11-20T10:00:00Z', last: '2026-11-20T10:00:00Z', known: 'harmless' },
});

describe('when a rehearsal is attached', () => {
  it('travels with the bundle, which is signed and admitted as ever', async () => {
    const folder = scratch.copy(small.folder);
    const attached = await attachRehearsal(folder, file, { replace: false });
    expect(attached.rehearsal.passed).toBe(true);
    await signBundle(folder, 'release', small.signer, packedAt);
    const admitted = await admit(folder, { ...context(), trust: small.trust });
    await verifyParts(admitted, context());
    expect(admitted.id).toBe(attached.id);
    expect(admitted.id).not.toBe(small.id);
    const read = async (path: string): Promise<Buffer | undefined> =>
      admitted.controlFiles.get(path)?.read();
    expect(await attachedRehearsal(admitted.bundle, read)).toEqual({
      rehearsal: rehearsalOf(small.bundle),
    });
  });

  it('does not change what was rehearsed, and changes no other file', async () => {
    const folder = scratch.copy(small.folder);
    const before = tree(folder);
    await attach(folder);
    const { bundle } = await readIndex(folder);
    expect(rehearsedDigest(bundle)).toBe(rehearsedDigest(small.bundle));
    const after = tree(folder);
    const changed = Object.keys(after).filter((path) => after[path] !== before[path]);
    expect(changed.toSorted()).toEqual([
      'SHA512SUMS',
      'VERIFY.txt',
      'attestations/rehearsal.json',
      'attestations/rehearsal.p7s',
      'bundle.json',
    ]);
    expect(Object.keys(before).filter((path) => !(path in after))).toEqual([]);
    expect(readFileSync(join(folder, 'VERIFY.txt'), 'ascii')).toContain(
      'attestations/rehearsal.json',
    );
  });

  it('shows its result by hand, whatever a service may have called what it tried', async () => {
    const folder = scratch.copy(small.folder);
    const hostile = '"at":"2030-01-01T00:00:00Z","passed":false,"peak';
    const attempts = [{ ...attempt('h.example'), known: hostile }];
    await attach(folder, write({ attempts, unseen: [hostile] }));
    const text = readFileSync(join(folder, 'VERIFY.txt'), 'ascii');
    const line = /^ {4}(grep .*rehearsal\.json)$/m.exec(text)?.[1] ?? '';
    const shown = execFileSync('bash', ['-c', line], { cwd: folder, encoding: 'utf8' });
    expect(shown).toBe('"at":"2026-11-20T10:00:00Z"\n"passed":true,"peak\n"target":"podman"\n');
  });

  it('gives two engineers who attach one rehearsal the same list, and one who repeats it', async () => {
    const [one, two] = [scratch.copy(small.folder), scratch.copy(small.folder)];
    await attach(one);
    await attach(two);
    const once = tree(one);
    expect(tree(two)).toEqual(once);
    await attach(one);
    expect(tree(one)).toEqual(once);
  });

  it('is put on every disc', async () => {
    const discs = { size: 12 * MIB, parity: false };
    const split = await smallBundle({
      ...{ place: scratch.fresh(), discs, weights: 20 * MIB, partSize: 4 * MIB },
    });
    expect(split.discs.length).toBeGreaterThan(1);
    unsign(split.folder);
    const own = writeRehearsal(scratch.fresh('split'), rehearsalOf(split.bundle), split);
    await attach(split.folder, own);
    const { bundle } = await readIndexes(split.discs);
    expect(bundle.control.map(({ path }) => path)).toContain('attestations/rehearsal.json');
    await signBundle(split.folder, 'release', split.signer, packedAt);
    await admit(split.discs, { ...context(), trust: split.trust });
  });
});

describe('when a rehearsal may not be attached', () => {
  it.each(['release.p7s', 'anything'])('after the first signature: %s', async (name) => {
    const folder = scratch.copy(small.folder);
    mkdirSync(join(folder, 'signatures'));
    writeFileSync(join(folder, 'signatures', name), 'x');
    expect(await expectUnchanged(attach, 'bundle-signed', folder)).toBe(name);
  });

  it.each<[string, () => string, ErrorCode]>([
    ['of other content', () => write({ content: '0'.repeat(64) }), 'document-invalid'],
    [
      'that did not pass',
      () => write({ passed: false, failures: ['server tried example.com'] }),
      'rehearsal-failed',
    ],
    ['that passed by its word alone', () => write({ failures: ['x'] }), 'rehearsal-failed'],
    ['with an unknown field', () => write({ more: 1 } as object), 'document-invalid'],
    [
      'of a newer version',
      () => write({ schema: 'stowage/rehearsal/v2' } as object as Rehearsal),
      'format-newer',
    ],
    ['that is not there', () => scratch.fresh('nowhere'), 'file-missing'],
  ])('%s', async (_, document, code) => {
    await expectUnchanged((folder) => attach(folder, document()), code);
  });

  it.each<[string, (path: string) => void, ErrorCode]>([
    [
      'one byte',
      (path) =>
        writeFileSync(
          path,
          readFileSync(path, 'utf8').replace('"peakMemoryBytes":1', '"peakMemoryBytes":2'),
        ),
      'signature-invalid',
    ],
    ['a final newline', (path) => appendFileSync(path, '\n'), 'signature-invalid'],
    [
      'more bytes than any has',
      (path) => writeFileSync(path, Buffer.alloc(rehearsalKind.maxBytes + 1, 0x20)),
      'document-invalid',
    ],
    ['no signature', (path) => rmSync(path.replace('.json', '.p7s')), 'file-missing'],
    [
      'the signature of another',
      (path) =>
        cpSync(write({ unseen: ['x'] }).replace('.json', '.p7s'), path.replace('.json', '.p7s')),
      'signature-invalid',
    ],
  ])('changed since it was made: %s', async (_, change, code) => {
    const path = write({});
    change(path);
    await expectUnchanged((folder) => attach(folder, path), code);
  });

  it('to a bundle with a damaged attestation', async () => {
    const folder = scratch.copy(small.folder);
    appendFileSync(join(folder, 'attestations/lock.json'), ' ');
    await expectUnchanged(attach, 'part-damaged', folder);
  });

  it('beside another, but in its place with --replace', async () => {
    const folder = scratch.copy(small.folder);
    await attach(folder);
    const younger = write({ at: '2026-11-21T09:00:00Z' });
    await expectUnchanged((each) => attach(each, younger), 'output-exists', folder);
    await attach(folder, younger, true);
    const whole = scratch.copy(small.folder);
    await attach(whole, younger);
    expect(tree(folder)).toEqual(tree(whole));
  });

  it('to full discs if it is large, but to the whole bundle', async () => {
    const attempts = Array.from({ length: 800 }, (_, index) => attempt(`h${index}.example`));
    const discs = { size: 12 * MIB, parity: false };
    const split = await smallBundle({
      ...{ place: scratch.fresh(), discs, weights: 20 * MIB, partSize: 4 * MIB },
    });
    unsign(split.folder);
    const large = rehearsalOf(split.bundle, { attempts });
    const own = writeRehearsal(scratch.fresh('large'), large, split);
    await expectUnchanged((folder) => attach(folder, own), 'disc-too-small', split.folder);
    const whole = scratch.copy(small.folder);
    await attach(whole, write({ attempts }));
  });

  it('to discs of different bundles', async () => {
    const place = scratch.fresh('mixed');
    cpSync(small.folder, join(place, 'disc-1-of-2'), { recursive: true });
    const other = await smallBundle({ place: scratch.fresh(), version: '2.0.0' });
    unsign(other.folder);
    cpSync(other.folder, join(place, 'disc-2-of-2'), { recursive: true });
    await expectUnchanged(attach, 'bundle-mixed', place);
  });
});

describe('when attaching is interrupted', () => {
  it('cannot be signed half-way, and is completed by repeating it, at every write', async () => {
    const whole = scratch.copy(small.folder);
    const counted = await withFailingWrites(
      { number: 0, onward: false },
      () => true,
      () => attach(whole),
    );
    const total = counted.operations.length;
    expect(total).toBeGreaterThan(10);
    const done = tree(whole);
    const { id } = await readIndex(whole);
    for (let number = 1; number <= total; number++) {
      const folder = scratch.copy(small.folder);
      await withFailingWrites(
        { number, onward: true },
        () => true,
        () => attach(folder),
      ).catch(() => undefined);
      const half = scratch.copy(folder);
      const signed = await signBundle(half, 'release', small.signer, packedAt).then(
        async () => (await readIndex(half)).id,
        () => undefined,
      );
      // Before anything of it counts it is the bundle as it was, and afterwards the new one.
      expect([undefined, small.id, id]).toContain(signed);
      await attach(folder);
      expect(tree(folder), counted.operations[number - 1]).toEqual(done);
    }
  });
});
