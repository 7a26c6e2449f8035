import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { capture, run } from './process.ts';
import { defaultCacheDir } from './server-image.ts';

const MODULE = 'github.com/sigstore/cosign/v3';
const VERSION = 'v3.1.3';
/** What go.sum would say of the module; its own go.sum says the same of all that it needs. */
const SUM = 'h1:001JQRI/PJ/5T+g/kJ1KTvKFbb322+fomc+pHDZ/6sg=';

// Debian's own Go is too old: one from go.dev lies here, where nobody put it elsewhere.
const environment = { ...process.env, PATH: `${process.env['PATH']}:/usr/local/go/bin` };

/** Whether cosign is built or can be. */
export async function hasCosign(): Promise<boolean> {
  if (existsSync(program())) return true;
  const found = await capture('go', ['version'], { env: environment }).catch(() => undefined);
  return found?.status === 0;
}

/** Where cosign lies, built from its sources once: a first call takes minutes. */
export async function cosignProgram(): Promise<string> {
  const built = program();
  if (existsSync(built)) return built;
  const download = ['mod', 'download', '-json', `${MODULE}@${VERSION}`];
  const { Sum, Dir } = JSON.parse(await run('go', download, { env: environment })) as {
    readonly Sum: string;
    readonly Dir: string;
  };
  if (Sum !== SUM) throw new Error(`${MODULE}@${VERSION} is ${Sum}, expected ${SUM}`);
  mkdirSync(defaultCacheDir, { recursive: true });
  const temporary = `${built}.${process.pid}`;
  try {
    const build = ['build', '-mod=readonly', '-trimpath', '-ldflags=-s -w', '-o', temporary];
    const env = { ...environment, CGO_ENABLED: '0' };
    await run('go', [...build, './cmd/cosign'], { cwd: Dir, env });
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
