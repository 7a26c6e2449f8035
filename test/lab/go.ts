import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { outside } from './outside.ts';
import { capture, run } from './process.ts';

/** The first Go that fetches by itself the version that a module asks for (go.dev/doc/toolchain). */
const FETCHES = [1, 21] as const;

function environment(): NodeJS.ProcessEnv {
  // One from go.dev lies here, where nobody put it elsewhere.
  return { ...outside(), PATH: `${process.env['PATH']}:/usr/local/go/bin`, CGO_ENABLED: '0' };
}

/** Whether there is any Go. */
export async function hasGo(): Promise<boolean> {
  const found = await capture('go', ['version'], { env: environment() }).catch(() => undefined);
  return found?.status === 0;
}

/** A module as the module cache holds it, once it is downloaded and checked by the checksum database. */
export interface GoModule {
  readonly Sum: string;
  readonly Dir: string;
}

/**
 * @param module such as `example.com/x@v1.0.0`
 * @param sum what go.sum would say of it; its own go.sum says the same of all that it needs
 * @throws Error for a module with another sum
 */
export async function downloadModule(module: string, sum?: string): Promise<GoModule> {
  const args = ['mod', 'download', '-json', module];
  const found = JSON.parse(await run('go', args, { env: environment(), cwd: '/' })) as GoModule;
  if (sum !== undefined && found.Sum !== sum)
    throw new Error(`${module} is ${found.Sum}, expected ${sum}`);
  return found;
}

/**
 * Runs `go` in the folder of a module, by the version that its `go.mod` asks for or a later one.
 * @param experiment for GOEXPERIMENT
 */
export async function runGo(
  folder: string,
  args: readonly string[],
  experiment?: string,
): Promise<string> {
  const env = {
    ...{ ...environment(), GOFLAGS: '-mod=readonly' },
    ...(experiment === undefined ? {} : { GOEXPERIMENT: experiment }),
  };
  const found = await run('go', ['env', 'GOVERSION'], { env, cwd: '/' });
  const [major = 0, minor = 0] = (/\d+\.\d+/.exec(found)?.[0] ?? '').split('.').map(Number);
  const fetches = major > FETCHES[0] || (major === FETCHES[0] && minor >= FETCHES[1]);
  const go = fetches ? 'go' : await fetchedGo(folder);
  return run(go, args, { cwd: folder, env });
}

/** Debian's is too old for that, and downloads the toolchain as it does any module. */
async function fetchedGo(folder: string): Promise<string> {
  const asked = /^go (\S+)$/m.exec(readFileSync(join(folder, 'go.mod'), 'utf8'))?.[1];
  const arch = (await run('go', ['env', 'GOARCH'], { env: environment(), cwd: '/' })).trim();
  const { Dir: place } = await downloadModule(
    `golang.org/toolchain@v0.0.1-go${asked}.linux-${arch}`,
  );
  // Files in the module cache are not executable.
  await run('chmod', ['-R', 'a+x', join(place, 'bin'), join(place, 'pkg/tool')]);
  return join(place, 'bin/go');
}
