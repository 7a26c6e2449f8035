import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admit } from '../../src/bundle/admission/admit.ts';
import type { AdmittedBundle } from '../../src/bundle/admitted-bundle.ts';
import { checkPart, contentOf } from '../../src/bundle/part-check.ts';
import { verifyParts } from '../../src/bundle/verify.ts';
import type { ErrorCode } from '../../src/core/error.ts';
import { MIB } from '../../src/core/limits.ts';
import type { Part } from '../../src/format/part.ts';
import { HashPool } from '../../src/io/hashing.ts';
import { context } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { tree } from '../support/tree.ts';

const scratch = scratchFolder();
const pool = new HashPool(new AbortController().signal);
afterAll(() => pool.close());
/** The digest of `{}`: the config of models and files without details. */
const empty = 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a';
let small: SmallBundle;
let large: SmallBundle;

beforeAll(async () => {
  small = await smallBundle({ place: scratch.fresh() });
  const { authority } = small;
  large = await smallBundle({
    place: scratch.fresh(),
    authority,
    partSize: 4 * MIB,
    weights: 9 * MIB,
  });
});

async function admitted(made: SmallBundle): Promise<AdmittedBundle> {
  return admit(scratch.copy(made.folder), { ...context(), trust: made.trust });
}

/** Checks every part with workers that stay: what `verifyParts` does, sooner. */
async function checkParts({ bundle, folder }: AdmittedBundle): Promise<void> {
  for (const each of bundle.blobs.flatMap((blob) => blob.parts))
    await checkPart(each, { bundle, folder, pool, onBytes: () => {} });
}

/** The parts of the model's weights. */
function weights({ bundle }: Pick<SmallBundle, 'bundle'>): readonly Part[] {
  const digest = bundle.models[0]?.files[0]?.digest;
  return bundle.blobs.find((blob) => blob.digest === digest)?.parts ?? [];
}

function part(made: SmallBundle, index = 0): Part {
  const found = weights(made)[index];
  if (found === undefined) throw new Error(`no part ${index}`);
  return found;
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 0x80;
  writeFileSync(path, bytes);
}

describe('when every part is as signed', () => {
  it('reads each byte once and reports progress', async () => {
    const bundle = await admitted(large);
    const before = tree(bundle.folder);
    const heard = context();
    await verifyParts(bundle, heard);
    const progress = heard.events.filter((event) => event.type === 'progress');
    const total = large.bundle.blobs.reduce((sum, blob) => sum + blob.size, 0);
    expect(progress.at(-1)).toMatchObject({ done: total, total });
    expect(heard.events[0]).toMatchObject({ type: 'step', step: 'verify' });
    expect(tree(bundle.folder)).toEqual(before);
  });

  it('splits nine MiB of weights into three parts', () => {
    expect(weights(large).map((each) => each.size)).toEqual([4 * MIB, 4 * MIB, MIB]);
    expect(weights(small)).toHaveLength(1);
  });
});

describe('when a byte of a part changed', () => {
  const whole = [
    ['first', 0],
    ['middle', 2500],
    ['last', 4999],
  ] as const;

  it.each(whole)('names the file and the range in a blob of one part (%s byte)', async (_, at) => {
    const bundle = await admitted(small);
    flip(join(bundle.folder, part(small).path), at);
    const error = await expectCode(() => checkParts(bundle), 'part-damaged');
    expect(error.message).toContain(part(small).path);
    expect(error.message).toContain('model.safetensors of model tiny');
    expect(error.found).toContain('within 0-4999 of the file');
  });

  const sliced = [
    [0, 0, 'bytes 0 to 4194303', '0-4194303'],
    [1, 4 * MIB - 1, 'bytes 4194304 to 8388607', '0-4194303'],
    [2, 500_000, 'bytes 8388608 to 9437183', '0-1048575'],
  ] as const;

  it.each(sliced)('names the range that slice %i holds', async (index, at, range, spot) => {
    const bundle = await admitted(large);
    const { path } = part(large, index);
    flip(join(bundle.folder, path), at);
    const error = await expectCode(() => checkParts(bundle), 'part-damaged');
    expect(error.message).toContain(path);
    expect(error.message).toContain(`model.safetensors of model tiny, ${range}`);
    expect(error.found).toContain(`within ${spot} of the file`);
  });

  it('names no image if the bundle has none', () => {
    const bundle = { ...small.bundle, images: [] };
    const config = bundle.blobs.find(({ digest }) => digest === empty)?.parts[0];
    expect(config && contentOf(bundle, config)).toBe('the config of a model or of files');
  });

  it('names each kind of content', async () => {
    const { bundle } = small;
    const image = bundle.images[0];
    const expected: readonly (readonly [string | undefined, string])[] = [
      [bundle.models[0]?.files[1]?.digest, 'config.json of model tiny'],
      [bundle.models[0]?.manifest, 'the manifest of model tiny'],
      [bundle.files[0]?.digest, 'files settings'],
      [image?.target.digest, 'the manifest of image server'],
      [image?.platforms[0]?.config, 'the config of image server'],
      [empty, 'a layer of image server, or the config of a model or of files'],
    ];
    for (const [digest, words] of expected) {
      const admission = await admitted(small);
      const path = bundle.blobs.find((blob) => blob.digest === digest)?.parts[0]?.path ?? '';
      flip(join(admission.folder, path), 0);
      const error = await expectCode(() => checkParts(admission), 'part-damaged');
      expect(error.message).toBe(`${path} is damaged: ${words}`);
    }
  });

  it('is rejected even if the CRC-32 in the index matches', async () => {
    const bundle = await admitted(small);
    const at = part(small);
    flip(join(bundle.folder, at.path), 7);
    const listed = weights(bundle).find((each) => each.path === at.path);
    const sum = crc32(readFileSync(join(bundle.folder, at.path)));
    Object.assign(listed ?? {}, { crc32: sum.toString(16).padStart(8, '0') });
    const error = await expectCode(() => checkParts(bundle), 'part-damaged');
    expect(error.found).toContain('do not locate them');
  });
});

describe('when a part is swapped after admission (attack 91)', () => {
  const attacks: readonly (readonly [string, ErrorCode, (path: string) => void])[] = [
    ['one byte shorter', 'part-damaged', (path) => truncateSync(path, 4999)],
    ['empty', 'part-damaged', (path) => truncateSync(path, 0)],
    ['one byte longer', 'part-damaged', (path) => writeFileSync(path, '!', { flag: 'a' })],
    [
      'all zeros of the right size (attack 93)',
      'part-damaged',
      (path) => {
        truncateSync(path, 0);
        truncateSync(path, 5000);
      },
    ],
    [
      'a link to the right bytes',
      'file-kind',
      (path) => {
        writeFileSync(`${path}.aside`, readFileSync(path));
        unlinkSync(path);
        symlinkSync(`${path}.aside`, path);
      },
    ],
    [
      'a pipe',
      'file-kind',
      (path) => {
        unlinkSync(path);
        execFileSync('mkfifo', [path]);
      },
    ],
    [
      'a folder',
      'file-kind',
      (path) => {
        unlinkSync(path);
        mkdirSync(path);
      },
    ],
    [
      'a device',
      'file-kind',
      (path) => {
        unlinkSync(path);
        symlinkSync('/dev/zero', path);
      },
    ],
    ['gone', 'part-missing', (path) => unlinkSync(path)],
  ];

  it.each(attacks)('refuses one that is %s: %s', async (_, code, attack) => {
    const bundle = await admitted(small);
    attack(join(bundle.folder, part(small).path));
    const error = await expectCode(() => checkParts(bundle), code);
    expect(error.message).toContain(part(small).path);
  });

  it('is found by verifyParts as well', async () => {
    const bundle = await admitted(small);
    unlinkSync(join(bundle.folder, part(small).path));
    await expectCode(() => verifyParts(bundle, context()), 'part-missing');
  });

  it('stops at once when it is interrupted', async () => {
    const bundle = await admitted(large);
    const heard = context();
    const running = verifyParts(bundle, {
      ...heard,
      emit: (event) => event.type === 'progress' && heard.controller.abort(),
    });
    await expectCode(() => running, 'interrupted');
    await expectCode(() => verifyParts(bundle, heard), 'interrupted');
  });
});
