// Writes everything that a release consists of into a folder, of the checkout that it lies in.
// usage: scripts/release, which makes that checkout
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { componentsPath } from '../src/format/installer.ts';
import { buildDist } from './build/dist.ts';
import { toolkitCode } from './installer/code.ts';
import { NODE_VERSION, platforms } from './installer/platforms.ts';
import { run } from './installer/run.ts';
import { toolSbom } from './releasing/sbom.ts';
import { writeSums } from './releasing/sums.ts';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const [folder = '', commit = ''] = process.argv.slice(2);
const json = (name: string, value: object): void =>
  writeFileSync(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
const completions = { bash: 'stowage.bash', zsh: '_stowage', fish: 'stowage.fish' };

mkdirSync(join(folder, 'completions'), { recursive: true });
const inputs = await buildDist(root);
run(process.execPath, ['scripts/build-installer.ts'], root);
run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], root);
for (const platform of Object.keys(platforms))
  for (const program of [`stowage-${platform}`, `stowage-toolkit-${platform}`])
    for (const name of [program, componentsPath(program)])
      copyFileSync(join(root, 'dist/installer', name), join(folder, name));
copyFileSync(join(root, 'dist/man/stowage.1'), join(folder, 'stowage.1'));
for (const [shell, name] of Object.entries(completions))
  writeFileSync(
    join(folder, 'completions', name),
    execFileSync(process.execPath, [join(root, 'dist/main.js'), 'completion', shell]),
  );
copyFileSync(join(root, 'dist/THIRD-PARTY.txt'), join(folder, 'THIRD-PARTY.txt'));
const { inputs: within } = await toolkitCode(root);
json('sbom.cdx.json', toolSbom(root, [...inputs, ...within]));
json('release.json', { commit, node: NODE_VERSION });
writeSums(folder);
