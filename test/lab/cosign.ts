import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { downloadModule, hasGo, runGo } from './go.ts';
import { defaultCacheDir } from './server-image.ts';

const MODULE = 'github.com/sigstore/cosign/v3';
const VERSION = 'v3.1.3';
/** What go.sum would say of the module; its own go.sum says the same of all that it needs. */
const SUM = 'h1:001JQRI/PJ/5T+g/kJ1KTvKFbb322+fomc+pHDZ/6sg=';

/** Whether cosign is built or can be. */
export async function hasCosign(): Promise<boolean> {
  if (existsSync(program())) return true;
  return hasGo();
}

/** Where cosign lies, built from its sources once: a first call takes minutes. */
export async function cosignProgram(): Promise<string> {
  const built = program();
  if (existsSync(built)) return built;
  const { Sum, Dir } = await downloadModule(`${MODULE}@${VERSION}`);
  if (Sum !== SUM) throw new Error(`${MODULE}@${VERSION} is ${Sum}, expected ${SUM}`);
  mkdirSync(defaultCacheDir, { recursive: true });
  const temporary = `${built}.${process.pid}`;
  try {
    const build = ['build', '-trimpath', '-ldflags=-s -w', '-o', temporary];
    await runGo(Dir, [...build, './cmd/cosign']);
    renameSync(temporary, built);
  } finally {
    rmSync(temporary, { force: true });
  }
  return built;
}

function program(): string {
  return join(defaultCacheDir, `cosign-${VERSION}-${process.arch}`);
}

if (import.meta.main) console.log(await cosignProgram());
