import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runGo } from '../lab/go.ts';

const sources = fileURLToPath(new URL('tools', import.meta.url));
const cache = fileURLToPath(new URL('../../node_modules/.cache/stowage-clients', import.meta.url));

/** The folder with `oras` and `crane`, built from the versions that `tools/go.sum` pins; built once for these versions. */
export async function goTools(): Promise<string> {
  const pinned = createHash('sha256')
    .update(readFileSync(join(sources, 'go.sum')))
    .digest('hex');
  const folder = join(cache, `go-${pinned.slice(0, 16)}`);
  if (existsSync(folder)) return folder;
  const temporary = `${folder}.${process.pid}`;
  mkdirSync(temporary, { recursive: true });
  const packages = ['oras.land/oras/cmd/oras', 'github.com/google/go-containerregistry/cmd/crane'];
  await runGo(sources, ['build', '-o', `${temporary}/`, ...packages]);
  if (existsSync(folder)) rmSync(temporary, { recursive: true });
  else renameSync(temporary, folder);
  return folder;
}
