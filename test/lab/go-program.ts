import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { downloadModule, hasGo, runGo } from './go.ts';
import { holdLock } from './kubernetes/lock.ts';
import { defaultCacheDir } from './server-image.ts';

/** A program that is built from the sources of a published Go module, without cgo. */
export interface GoProgram {
  readonly name: string;
  readonly module: string;
  readonly version: string;
  /** What go.sum would say of the module; its own go.sum says the same of all that it needs. */
  readonly sum: string;
  /** The package of the program in the module, such as `./cmd/cosign`. */
  readonly package: string;
  /** What the module needs in GOEXPERIMENT. */
  readonly experiment?: string;
}

/** A program of the lab, whose folder is a Go module with a go.sum. */
export interface LabGoProgram {
  readonly name: string;
  readonly folder: string;
}

/** Whether a program is built. */
export function isBuilt(program: GoProgram | LabGoProgram): boolean {
  return existsSync(pathOf(program));
}

/** Whether a program is built or can be. */
export async function hasGoProgram(program: GoProgram | LabGoProgram): Promise<boolean> {
  return isBuilt(program) || (await hasGo());
}

/** Where a program lies, built once: a first call takes minutes. */
export async function goProgram(program: GoProgram | LabGoProgram): Promise<string> {
  const built = pathOf(program);
  if (existsSync(built)) return built;
  const { folder, main, experiment } = await sourcesOf(program);
  mkdirSync(defaultCacheDir, { recursive: true });
  const lock = await holdLock(`${built}.lock`, 'wait');
  const temporary = `${built}.${process.pid}`;
  try {
    if (existsSync(built)) return built;
    const build = ['build', '-trimpath', '-ldflags=-s -w', '-o', temporary];
    await runGo(folder, [...build, main], experiment);
    renameSync(temporary, built);
  } finally {
    rmSync(temporary, { force: true });
    await lock.release();
  }
  return built;
}

/** Where the module lies, and which of its packages is the program. */
interface Sources {
  readonly folder: string;
  readonly main: string;
  readonly experiment?: string | undefined;
}

async function sourcesOf(program: GoProgram | LabGoProgram): Promise<Sources> {
  if ('folder' in program) return { folder: program.folder, main: '.' };
  const { module, version, sum, package: main, experiment } = program;
  return { folder: (await downloadModule(`${module}@${version}`, sum)).Dir, main, experiment };
}

function pathOf(program: GoProgram | LabGoProgram): string {
  const version = 'folder' in program ? versionOf(program) : program.version;
  return join(defaultCacheDir, `${program.name}-${version}-${process.arch}`);
}

/** Follows from all that goes into the program. */
function versionOf({ folder }: LabGoProgram): string {
  const hash = createHash('sha256');
  for (const file of globSync('**/{*.go,go.mod,go.sum}', { cwd: folder }).sort())
    hash.update(`${file}\n`).update(readFileSync(join(folder, file)));
  return hash.digest('hex').slice(0, 16);
}
