import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { downloadModule, hasGo, runGo } from './go.ts';
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
  /** What of Go it needs that is not the default yet, for GOEXPERIMENT. */
  readonly experiment?: string;
  /** Sources in place of, or beside, those of the module: the paths of files, by their paths in it. */
  readonly overlay?: Readonly<Record<string, string>>;
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
  const { Sum, Dir } = await downloadModule(`${module}@${version}`);
  if (Sum !== sum) throw new Error(`${module}@${version} is ${Sum}, expected ${sum}`);
  mkdirSync(defaultCacheDir, { recursive: true });
  const temporary = `${built}.${process.pid}`;
  try {
    const build = ['build', '-trimpath', '-ldflags=-s -w', '-o', temporary];
    await runGo(Dir, [...build, program.package]);
    renameSync(temporary, built);
  } finally {
    rmSync(temporary, { force: true });
  }
  return built;
}

function pathOf({ name, version }: GoProgram): string {
  return join(defaultCacheDir, `${name}-${version}-${process.arch}`);
}
