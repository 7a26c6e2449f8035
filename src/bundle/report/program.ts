import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { arch, release, type } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { sriHex, sriOf } from '../../core/digest.ts';
import { MIB } from '../../core/limits.ts';
import { PRODUCT, PRODUCT_VERSION } from '../../core/product.ts';
import type { Report, ReportTool } from '../../format/report.ts';
import { ioError, readBounded } from '../../io/file.ts';

/** The running program. */
export interface Running {
  /** The absolute path of the file that was started. */
  readonly program: string;
  readonly node: string;
  readonly openssl: string;
}

const MAX_PROGRAM_BYTES = 64 * MIB;

/**
 * The program as it is on disk. The digest of an installer is the SHA-512 of its one file; that of a folder of scripts is
 * what `LC_ALL=C sh -c 'sha512sum *.js' | sha512sum` prints there. A program that runs from its sources has none.
 */
export async function describeTool(program: string): Promise<ReportTool> {
  const tool = { name: PRODUCT, version: PRODUCT_VERSION };
  if (basename(program).endsWith('.ts')) return tool;
  if (!basename(program).endsWith('.js')) return { ...tool, sha512: await sha512Of(program) };
  const folder = dirname(program);
  const names = await programFiles(folder);
  let list = '';
  for (const name of names) {
    const bytes = await readBounded(join(folder, name), MAX_PROGRAM_BYTES);
    list += `${sriHex(sriOf(bytes))}  ${name}\n`;
  }
  return { ...tool, sha512: sriHex(sriOf(Buffer.from(list))), files: names.length };
}

async function sha512Of(path: string): Promise<string> {
  const hash = createHash('sha512');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: MIB })) hash.update(chunk);
  } catch (error) {
    throw ioError(error, path);
  }
  return hash.digest('hex');
}

async function programFiles(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder);
    return names.filter((name) => /^[A-Za-z0-9_-][A-Za-z0-9._-]*\.js$/.test(name)).sort();
  } catch (error) {
    throw ioError(error, folder);
  }
}

export function describeHost({ node, openssl }: Running): Report['host'] {
  return { platform: `${type()} ${release()}, ${arch()}`, node, openssl };
}
