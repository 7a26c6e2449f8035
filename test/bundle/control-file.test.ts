import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ControlFile, controlFile } from '../../src/bundle/control-file.ts';
import { sriOf } from '../../src/core/digest.ts';
import { MIB } from '../../src/core/limits.ts';
import { HashPool } from '../../src/io/hashing.ts';
import { context } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();

interface Verified {
  readonly file: ControlFile;
  readonly bytes: Buffer;
  /** Where it was verified. */
  readonly place: string;
}

/** A control file of this many bytes, verified in a folder. */
function verified(size: number): Verified {
  const folder = scratch.fresh();
  mkdirSync(folder, { recursive: true });
  const bytes = Buffer.alloc(size, 'a line of a list\n');
  const place = join(folder, 'list.json');
  writeFileSync(place, bytes);
  return {
    file: controlFile({ folder, path: 'list.json', sha512: sriOf(bytes) }, bytes),
    bytes,
    place,
  };
}

function change(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = 0;
  writeFileSync(path, bytes);
}

async function write(file: ControlFile, copy?: string): Promise<string> {
  const target = scratch.fresh();
  const pool = new HashPool(context().signal, 1);
  try {
    await file.writeTo(target, pool, copy);
  } catch (error) {
    expect(existsSync(target)).toBe(false);
    throw error;
  } finally {
    await pool.close();
  }
  return target;
}

describe.each([0, 1, MIB, MIB + 1, 5 * MIB])(
  'when a control file of %i bytes was verified',
  (size) => {
    it('is read, and written to another folder', async () => {
      const { file, bytes } = verified(size);
      expect((await file.read()).equals(bytes)).toBe(true);
      expect(readFileSync(await write(file)).equals(bytes)).toBe(true);
    });
  },
);

describe('when a control file that is not kept in memory changes after it was verified', () => {
  it('is refused when it is read or written, and leaves nothing', async () => {
    const { file, place } = verified(2 * MIB);
    change(place);
    await expectCode(() => file.read(), 'part-damaged');
    await expectCode(() => write(file), 'part-damaged');
  });

  it.each([
    ['longer', (bytes: Buffer) => Buffer.concat([bytes, bytes])],
    ['shorter', (bytes: Buffer) => bytes.subarray(1)],
  ])('is refused when it is %s', async (_, altered) => {
    const { file, place, bytes } = verified(2 * MIB);
    writeFileSync(place, altered(bytes));
    await expectCode(() => file.read(), 'part-damaged');
    await expectCode(() => write(file), 'part-damaged');
  });

  it('is written from an intact copy, also when the medium is gone', async () => {
    const { file, place, bytes } = verified(2 * MIB);
    const copy = await write(file);
    rmSync(place);
    expect(readFileSync(await write(file, copy)).equals(bytes)).toBe(true);
    await expectCode(() => write(file), 'file-missing');
  });

  it('is not written from a copy that was changed', async () => {
    const { file, bytes } = verified(2 * MIB);
    const copy = await write(file);
    change(copy);
    expect(readFileSync(await write(file, copy)).equals(bytes)).toBe(true);
  });
});
