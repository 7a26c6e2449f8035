import { rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  attachedInWords,
  attachedRehearsal,
} from '../../../src/bundle/rehearsal/attached-rehearsal.ts';
import { canonicalBytes, type Json } from '../../../src/core/json.ts';
import type { Bundle } from '../../../src/format/bundle.ts';
import { type Rehearsal, rehearsalKind, rehearsalPaths } from '../../../src/format/rehearsal.ts';
import { readIfThere } from '../../../src/io/file.ts';
import { planted, rehearsalOf, rehearsedBundle } from '../../support/rehearsed.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { resign, type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder(true);
let small: SmallBundle;
let rehearsed: SmallBundle;

beforeAll(async () => {
  small = await smallBundle({ place: scratch.fresh() });
  rehearsed = await rehearsedBundle(small, scratch.copy(small.folder));
});

/** Why the rehearsal of a bundle does not count; undefined if it does. */
async function reason({ folder, bundle }: Pick<SmallBundle, 'folder' | 'bundle'>) {
  const read = (path: string, max: number): Promise<Buffer | undefined> =>
    readIfThere(join(folder, path), max);
  const attached = await attachedRehearsal(bundle, read);
  return attached.rehearsal === undefined ? attached.missing : undefined;
}

const copied = (): SmallBundle => ({ ...rehearsed, folder: scratch.copy(rehearsed.folder) });
const bytesOf = (document: object): Buffer => canonicalBytes(document as Json);

describe('when a bundle is asked for its rehearsal', () => {
  it('has one, or says that none is attached', async () => {
    expect(await reason(rehearsed)).toBeUndefined();
    expect(await reason(small)).toBe('none is attached to the bundle');
    expect(attachedInWords({ missing: 'none is attached to the bundle' })).toBeUndefined();
    expect(attachedInWords({ rehearsal: rehearsalOf(small.bundle) })).toBe(
      'passed at 2026-11-20T10:00:00Z on podman (podman 5.2.0, linux/amd64); no attempt to reach out',
    );
  });

  it('names the charts and objects that no target rehearsed', async () => {
    const named = (names: readonly string[]) => names.map((name) => ({ name })) as never[];
    const more = { charts: named(['gpu', 'lws']), objects: named(['a', 'b', 'c', 'd']) };
    const document = bytesOf(rehearsalOf({ ...small.bundle, ...more }));
    const { folder, bundle } = planted(copied(), document);
    const read = (path: string): Promise<Buffer | undefined> =>
      readIfThere(join(folder, path), rehearsalKind.maxBytes);
    const attached = await attachedRehearsal({ ...bundle, ...more }, read);
    expect(attached).toMatchObject({ rehearsal: { passed: true } });
    expect(attachedInWords(attached)).toMatch(
      /^passed .*; not rehearsed: chart gpu, chart lws, objects a, objects b, objects c and 1 more$/,
    );
  });

  // The signatures of the bundle hold for each of these.
  it.each<[string, (bundle: Bundle) => Buffer, RegExp]>([
    ['of another bundle', (b) => bytesOf(rehearsalOf({ ...b, seq: b.seq + 1 })), /another bundle/],
    ['that is no JSON', () => Buffer.from('passed'), /does not count/],
    [
      'that is not canonical',
      (b) => Buffer.from(JSON.stringify(rehearsalOf(b), null, 2)),
      /does not count/,
    ],
    ['with an unknown field', (b) => bytesOf({ ...rehearsalOf(b), skip: true }), /does not count/],
    [
      'of a newer version',
      (b) => bytesOf({ ...rehearsalOf(b), schema: 'stowage/rehearsal/v2' }),
      /newer version/,
    ],
    ['that is empty', () => Buffer.alloc(0), /does not count/],
    [
      'that is larger than any',
      () => Buffer.alloc(rehearsalKind.maxBytes + 1, 0x20),
      /found 8388609 bytes/,
    ],
  ])('does not count one %s', async (_, make, expected) => {
    expect(await reason(planted(copied(), make(small.bundle)))).toMatch(expected);
  });

  it('does not count one whose signature is of another document', async () => {
    const bundle = copied();
    const values: Partial<Rehearsal> = { at: '2026-11-21T09:59:59Z' };
    writeFileSync(
      join(bundle.folder, rehearsalPaths.document),
      bytesOf(rehearsalOf(small.bundle, values)),
    );
    resign(bundle.folder, bundle.authority);
    const index = await readFile(join(bundle.folder, 'bundle.json'), 'utf8');
    expect(await reason({ ...bundle, bundle: JSON.parse(index) as Bundle })).toMatch(/signature/);
  });

  it.each(Object.values(rehearsalPaths))('does not count one without %s', async (path) => {
    const bundle = copied();
    const control = bundle.bundle.control.filter((each) => each.path !== path);
    expect(await reason({ ...bundle, bundle: { ...bundle.bundle, control } })).toMatch(
      /found none/,
    );
    rmSync(join(bundle.folder, path));
    expect(await reason(bundle)).toMatch(/found nothing/);
  });

  it('does not count one that was changed after the bundle was signed', async () => {
    const bundle = copied();
    const other = bytesOf(rehearsalOf(small.bundle, { peakMemoryBytes: 2 }));
    writeFileSync(join(bundle.folder, rehearsalPaths.document), other);
    expect(await reason(bundle)).toMatch(/found other bytes/);
  });
});
