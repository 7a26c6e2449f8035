import { randomUUID } from 'node:crypto';
import { lstat, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { fieldsOf, textOf } from '../../core/json.ts';
import { counted } from '../../core/text.ts';
import { globMatcher } from '../../examine/glob.ts';
import { readYamlObject } from '../../format/object-stream.ts';
import { writeTree } from '../../io/archive.ts';
import { ioError, readBounded, writeNew } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { localTree } from '../../source/local.ts';
import { MAX_CHART_BYTES, refusedChart } from './chart-files.ts';

/**
 * The archive of a local chart: a `.tgz` as it is, or a folder as an archive that depends on nothing but its files.
 * @param folder for temporary files
 * @throws StowageError `file-missing`, `file-kind`, `path-unsafe`, `content-refused`
 */
export async function localChart(path: string, what: string, folder: string): Promise<Buffer> {
  const isFolder = await lstat(path).then(
    (status) => status.isDirectory(),
    (error: unknown) => {
      throw ioError(error, path);
    },
  );
  if (!isFolder) return readBounded(path, MAX_CHART_BYTES, 'content-refused');
  const work = join(folder, `chart-${randomUUID()}`);
  await makeFolder(work, 0o700);
  try {
    return await packFolder(path, what, work);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function packFolder(path: string, what: string, work: string): Promise<Buffer> {
  const files = await localTree(path);
  const total = files.reduce((sum, { size }) => sum + size, 0);
  if (total > MAX_CHART_BYTES)
    throw refusedChart(what, `at most ${MAX_CHART_BYTES} bytes`, counted(total, 'byte'));
  const contents = new Map<string, Buffer>();
  for (const file of files)
    contents.set(file.path, await readBounded(file.absolute, MAX_CHART_BYTES, 'content-refused'));
  const metadata = contents.get('Chart.yaml');
  if (metadata === undefined) throw refusedChart(what, 'a Chart.yaml', 'none');
  const name = nameIn(metadata);
  const isIgnored = ignored(contents.get('.helmignore')?.toString('utf8') ?? '');
  const paths: string[] = [];
  for (const [each, bytes] of contents) {
    if (isIgnored(each)) continue;
    paths.push(`${name}/${each}`);
    await makeFolder(join(work, name, each, '..'), 0o700);
    await writeNew(join(work, name, each), bytes, 0o600);
  }
  const archive = join(work, '.tar');
  await writeTree(work, paths, archive);
  return storedGzip(await readBounded(archive, 2 * MAX_CHART_BYTES, 'content-refused'));
}

function nameIn(metadata: Buffer): string {
  try {
    const name = textOf(fieldsOf(readYamlObject(metadata.toString('utf8')))['name'], 63) ?? '';
    return /^[a-z0-9][a-z0-9.-]*$/.test(name) ? name : 'chart';
  } catch {
    // Whoever reads the archive reports it.
    return 'chart';
  }
}

/** What `.helmignore` leaves out: patterns of names, of paths and, with a final slash, of folders. */
function ignored(text: string): (path: string) => boolean {
  const patterns = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('!'))
    .map((line) => {
      const pattern = line.replace(/^\//, '').replace(/\/$/, '');
      return { matches: globMatcher([pattern]), onlyFolders: line.endsWith('/') };
    });
  return (path) => {
    const parts = path.split('/');
    const above = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
    return patterns.some(({ matches, onlyFolders }) =>
      above.some((each) => (each !== path || !onlyFolders) && matches(each)),
    );
  };
}

const MAX_STORED_BYTES = 65_535;

/** A gzip member (RFC 1952) of stored blocks (RFC 1951, 3.2.4): compressors of other versions write other bytes. */
function storedGzip(bytes: Buffer): Buffer {
  const chunks: Buffer[] = [Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])];
  for (let at = 0; at === 0 || at < bytes.length; at += MAX_STORED_BYTES) {
    const block = bytes.subarray(at, at + MAX_STORED_BYTES);
    const head = Buffer.alloc(5);
    head.writeUInt8(at + block.length >= bytes.length ? 1 : 0, 0);
    head.writeUInt16LE(block.length, 1);
    head.writeUInt16LE(0xffff - block.length, 3);
    chunks.push(head, block);
  }
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(crc32(bytes), 0);
  tail.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([...chunks, tail]);
}
