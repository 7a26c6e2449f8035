import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { outside } from './outside.ts';
import { run } from './process.ts';

/** The first Go that fetches by itself the version that a module asks for (go.dev/doc/toolchain). */
const FETCHES = [1, 21] as const;

/** Runs `go` in the folder of a module, by the version that its `go.mod` asks for or a later one. */
export async function runGo(folder: string, args: readonly string[]): Promise<string> {
  // One from go.dev lies here, where nobody put it elsewhere.
  const path = `${process.env['PATH']}:/usr/local/go/bin`;
  const env = { ...outside(), PATH: path, GOFLAGS: '-mod=readonly', CGO_ENABLED: '0' };
  const found = await run('go', ['env', 'GOVERSION'], { env, cwd: '/' });
  const [major = 0, minor = 0] = (/\d+\.\d+/.exec(found)?.[0] ?? '').split('.').map(Number);
  const fetches = major > FETCHES[0] || (major === FETCHES[0] && minor >= FETCHES[1]);
  const go = fetches ? 'go' : await fetchedGo(folder, env);
  return run(go, args, { cwd: folder, env });
}

/** Debian's is too old for that, and fetches the toolchain as it does any module, checked by the checksum database. */
async function fetchedGo(folder: string, env: NodeJS.ProcessEnv): Promise<string> {
  const asked = /^go (\S+)$/m.exec(readFileSync(join(folder, 'go.mod'), 'utf8'))?.[1];
  const arch = (await run('go', ['env', 'GOARCH'], { env, cwd: '/' })).trim();
  const module = `golang.org/toolchain@v0.0.1-go${asked}.linux-${arch}`;
  const { Dir: place } = JSON.parse(
    await run('go', ['mod', 'download', '-json', module], {
      env: { ...env, GOFLAGS: '' },
      cwd: '/',
    }),
  ) as { Dir: string };
  // Files in the module cache are not executable.
  await run('chmod', ['-R', 'a+x', join(place, 'bin'), join(place, 'pkg/tool')]);
  return join(place, 'bin/go');
}
