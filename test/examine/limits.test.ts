import { randomBytes } from 'node:crypto';
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Bytes, memoryBytes } from '../../src/examine/bytes.ts';
import { examineContent } from '../../src/examine/examine-content.ts';
import { secretsIn } from '../../src/examine/secrets.ts';
import type { Rule } from '../../src/format/finding.ts';
import { gguf, ggufFile, u64 } from '../lab/weights.ts';
import { writeZip } from '../lab/zip.ts';
import { expectCode } from '../support/error.ts';
import { examine, lockFindings, rulesOf } from './examining.ts';

const { signal } = new AbortController();

async function rules(bytes: Bytes, name = 'model.bin'): Promise<Rule[]> {
  const said: Rule[] = [];
  await examineContent(bytes, { name, signal, report: (rule) => void said.push(rule) });
  return said;
}

/** Content of the given size: these bytes, then zeros. */
function sparse(front: Buffer, size: number): Bytes & { read: Bytes['read']; total(): number } {
  let total = 0;
  return {
    size,
    read: async (offset, length) => {
      const wanted = Math.max(0, Math.min(length, size - offset));
      total += wanted;
      const bytes = Buffer.alloc(wanted);
      front.copy(bytes, 0, Math.min(offset, front.length));
      return bytes;
    },
    total: () => total,
  };
}

describe('when content is designed to exhaust resources', () => {
  it('reads only the headers of a terabyte', async () => {
    const size = 2 ** 40;
    const dims = [(size - 96) / 4];
    const head = ggufFile({ keys: [], tensors: [{ dims }] });
    const content = sparse(head, head.length + (size - 96));
    expect(await rules(content, 'model.gguf')).toEqual([]);
    expect(content.total()).toBeLessThan(300_000);
  });

  it('stops at a pickle with too many opcodes', async () => {
    const bytes = Buffer.concat([Buffer.from('\x80\x02', 'latin1'), Buffer.alloc(2_100_000, 'N0')]);
    expect(await rules(memoryBytes(bytes))).toEqual(['examine-limit']);
  });

  it('stops at a stack with too many values', async () => {
    const bytes = Buffer.concat([Buffer.from('\x80\x02', 'latin1'), Buffer.alloc(1_100_000, 'N')]);
    expect(await rules(memoryBytes(bytes))).toEqual(['pickle', 'pickle-broken']);
  });

  it('keeps only some strings of a GGUF file', async () => {
    const text = gguf.value(8, gguf.text('x'.repeat(1_000_000)));
    const keys = Array.from({ length: 20 }, (_, index) => [`general.${index}`, text] as const);
    expect(await rules(memoryBytes(ggufFile({ keys })))).toEqual(['gguf-limit']);
  });

  it('reports an array whose string is longer than the file', async () => {
    const keys = [
      ['a', Buffer.concat([gguf.u32(9), gguf.u32(8), u64(1), u64(50_000_000)])],
    ] as const;
    expect(await rules(memoryBytes(ggufFile({ keys })))).toEqual(['gguf-truncated']);
  });

  it.each([
    ['opened tags', '{{'.repeat(500_000)],
    ['opened and closed otherwise', '{{%}'.repeat(250_000)],
    ['underscores', `{{ ${'_'.repeat(500_000)} }}`],
  ])('reads a template of %s in one pass', async (_, template) => {
    const said = await examine({ 'chat_template.jinja': template });
    expect(rulesOf(said)).toContain('chat-template');
  });

  it.each([
    ['heads of web tokens', 'eyJaaaaaaaaaa-'.repeat(70_000)],
    ['machines', 'machine a\n'.repeat(100_000)],
    ['begun keys', '-----BEGIN A PRIVATE KEY-----\n\n\n\n'.repeat(30_000)],
    ['spaces', ' '.repeat(1_000_000)],
  ])('searches %s in one pass', (_, text) => {
    expect(secretsIn(Buffer.from(text))).toEqual([]);
  });
});

describe('when an archive decompresses to the memory limit, or to one byte more', () => {
  const ceiling = 64 * 1024 * 1024;
  // Bytes that do not shrink at its front, so that it is no bomb.
  const front = randomBytes(512 * 1024).fill('plain', 0, 5);
  const content = (size: number): Buffer => {
    const bytes = Buffer.alloc(size);
    front.copy(bytes);
    return bytes;
  };
  const packers: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
    gzip: (bytes) => gzipSync(bytes, { level: 1 }),
    zlib: (bytes) => deflateSync(bytes, { level: 1 }),
    zstd: (bytes) => zstdCompressSync(bytes),
    'a member of a zip': (bytes) => writeZip([{ name: 'a.txt', content: bytes, deflate: true }]),
  };

  it.each(Object.entries(packers))('examines %s up to the limit', async (_, pack) => {
    expect(await rules(memoryBytes(pack(content(ceiling))))).toEqual([]);
    expect(await rules(memoryBytes(pack(content(ceiling + 1))))).toEqual(['archive-too-large']);
  });

  it('does not count stored members as decompressed', async () => {
    const bytes = writeZip([{ name: 'a.txt', content: content(ceiling + 1) }]);
    expect(await rules(memoryBytes(bytes))).toEqual([]);
  });

  it('stops the lock unless the manifest allows the file by name', async () => {
    const files = { 'notes.gz': gzipSync(content(ceiling + 1), { level: 1 }) };
    await expectCode(() => lockFindings(files), 'content-refused');
    const allow = [{ rule: 'archive-too-large' as const, file: 'notes.gz', reason: 'looked at' }];
    const found = await lockFindings(files, { model: { allow } });
    expect(found).toMatchObject([{ rule: 'archive-too-large', allowed: 'looked at' }]);
  });
});
