import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { streamToPath } from '../../../src/cli/commands/stream-output.ts';
import { expectCode } from '../../support/error.ts';
import { runProgram } from '../../support/fake-terminal.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder();

function freshFolder(): string {
  const place = scratch.fresh();
  mkdirSync(place, { recursive: true });
  return place;
}

describe('when a stream is written to a path', () => {
  it('refuses an existing file, which stays as it was', async () => {
    const place = freshFolder();
    const { folder } = await smallBundle({ place });
    writeFileSync(join(place, 'chat.tar'), 'older');
    const before = readdirSync(place);
    const { error } = await runProgram(['stream', folder, '--output', 'chat.tar'], place);
    expect(error).toMatchObject({ code: 'output-exists' });
    expect(readFileSync(join(place, 'chat.tar'), 'utf8')).toBe('older');
    expect(readdirSync(place)).toEqual(before);
  });

  it('refuses a link to a file, and one that leads nowhere', async () => {
    const place = freshFolder();
    writeFileSync(join(place, 'older.tar'), 'older');
    symlinkSync('older.tar', join(place, 'link'));
    symlinkSync('none.tar', join(place, 'dangling'));
    for (const name of ['link', 'dangling'])
      await expectCode(
        () => streamToPath(join(place, name), (sink) => sink(Buffer.from('new'))),
        'output-exists',
      );
    expect(readFileSync(join(place, 'older.tar'), 'utf8')).toBe('older');
    expect(readdirSync(place).toSorted()).toEqual(['dangling', 'link', 'older.tar']);
  });

  it('refuses a file that appeared while the stream was written', async () => {
    const place = freshFolder();
    const path = join(place, 'chat.tar');
    await expectCode(
      () => streamToPath(path, async () => writeFileSync(path, 'of another')),
      'output-exists',
    );
    expect(readFileSync(path, 'utf8')).toBe('of another');
    expect(readdirSync(place)).toEqual(['chat.tar']);
  });

  it('leaves nothing behind when a damaged part ends the stream', async () => {
    const place = freshFolder();
    const { folder } = await smallBundle({ place });
    const parts = join(folder, 'blobs/sha256');
    const [part = ''] = readdirSync(parts);
    flipBit(join(parts, part), 0);
    const before = readdirSync(place);
    const { error } = await runProgram(['stream', folder, '--output', 'chat.tar'], place);
    expect(error?.code).toBe('part-damaged');
    expect(readdirSync(place)).toEqual(before);
  });

  it('replaces what a killed command left, and shows the name only at the end', async () => {
    const place = freshFolder();
    writeFileSync(join(place, '.chat.tar.partial'), 'half of an older stream');
    await streamToPath(join(place, 'chat.tar'), async (sink) => {
      await sink(Buffer.from('new'));
      expect(readdirSync(place)).toEqual(['.chat.tar.partial']);
    });
    expect(readdirSync(place)).toEqual(['chat.tar']);
    expect(readFileSync(join(place, 'chat.tar'), 'utf8')).toBe('new');
  });

  it('writes to a device and to a named pipe', async () => {
    const place = freshFolder();
    await streamToPath('/dev/null', (sink) => sink(Buffer.from('new')));
    const pipe = join(place, 'pipe');
    execFileSync('mkfifo', [pipe]);
    symlinkSync('pipe', join(place, 'tape'));
    for (const path of [pipe, join(place, 'tape')]) {
      const read = readFile(pipe, 'utf8');
      await streamToPath(path, (sink) => sink(Buffer.from('new')));
      expect(await read).toBe('new');
    }
    expect(readdirSync(place).toSorted()).toEqual(['pipe', 'tape']);
  });
});
