// Runs scripts/demo and draws what its terminal showed, line by line in their time, as manifests/demo.svg. As root, as the demo.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Shown, shortened, terminalSvg } from './record/terminal-svg.ts';

const project = fileURLToPath(new URL('..', import.meta.url));
const child = spawn(`${project}/scripts/demo`, { stdio: ['ignore', 'pipe', 'pipe'] });
const began = performance.now();
const shown: Shown[] = [];
for (const stream of [child.stdout, child.stderr])
  createInterface({ input: stream }).on('line', (text) => {
    shown.push({ at: (performance.now() - began) / 1000, text });
  });
const [status] = (await once(child, 'close')) as [number | null];
for (const { text } of shown) console.log(text);
if (status !== 0) throw new Error(`scripts/demo ended with ${status}`);
// What the build says before the demo begins is not of it.
const first = shown.findIndex(({ text }) => text.startsWith('== '));
writeFileSync(`${project}/manifests/demo.svg`, terminalSvg(shortened(shown.slice(first))));
