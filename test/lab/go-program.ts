import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { downloadModule, hasGo, runGo } from './go.ts';
import { holdLock } from './kubernetes/lock.ts';
import { defaultCacheDir } from './server-image.ts';

/** A program that is built from the sources of a Go module, without cgo. */
export interface GoProgram {
  readonly name: string;
  readonly module: string;
  readonly version: string;
  /** What go.sum would say of the module; its own go.sum says the same of all that it needs. */
  readonly sum: string;
  /** The package of the program in the module, such as `./cmd/cosign`. */
  readonly package: string;
}

/** Whether a program is built or can be. */
export async function hasGoProgram(program: GoProgram): Promise<boolean> {
  if (existsSync(pathOf(program))) return true;
  return hasGo();
}

/** Where a program lies, built once: a first call takes minutes. */
export async function goProgram(program: GoProgram): Promise<string> {
  const { module, version, sum } = program;
  const built = pathOf(program);
  if (existsSync(built)) return built;
  const { Dir } = await downloadModule(`${module}@${version}`, sum);
  mkdirSync(defaultCacheDir, { recursive: true });
  const lock = await holdLock(`${built}.lock`, 'wait');
  const temporary = `${built}.${process.pid}`;
  try {
    if (existsSync(built)) return built;
    const build = ['build', '-trimpath', '-ldflags=-s -w', '-o', temporary];
    await runGo(Dir, [...build, program.package]);
    renameSync(temporary, built);
  } finally {
    rmSync(temporary, { force: true });
    await lock.release();
  }
  return built;
}

function pathOf({ name, version }: GoProgram): string {
  return join(defaultCacheDir, `${name}-${version}-${process.arch}`);
}
