// Measures: each figure stands beside its limit, taken in the same run on the same bytes. Nothing passes or fails here.
// usage: npm run bench -- [NAME...] [--size BYTES, such as 2GiB] [--json]
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseBytes } from '../src/cli/units.ts';
import type { Benchmark, Row } from './bench/benchmark.ts';

const folder = fileURLToPath(new URL('bench', import.meta.url));
const frame = ['benchmark.ts', 'measure.ts'];
const all = readdirSync(folder)
  .filter((file) => file.endsWith('.ts') && !frame.includes(file))
  .map((file) => file.slice(0, -3));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, size: { type: 'string' } },
});
const unknown = positionals.filter((name) => !all.includes(name));
const size = values.size === undefined ? undefined : parseBytes(values.size);
if (unknown.length > 0 || (values.size !== undefined && size === undefined)) {
  console.error(`usage: npm run bench -- [${all.join('|')}]... [--size 2GiB] [--json]`);
  process.exit(2);
}

const report: { name: string; about: string; rows: readonly Row[] }[] = [];
for (const name of positionals.length === 0 ? all : positionals) {
  const { about, run } = (await import(`./bench/${name}.ts`)) as Benchmark;
  const scratch = mkdtempSync(join(tmpdir(), 'stowage-bench-'));
  try {
    if (values.json !== true) console.log(`${name}: ${about}`);
    const rows = await run({
      folder: scratch,
      ...(size === undefined ? {} : { size }),
      say: (text) => console.error(`  ${text}`),
    });
    report.push({ name, about, rows });
    if (values.json !== true) console.log(rows.map(line).join(''));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
if (values.json === true) console.log(JSON.stringify(report, null, 2));

function line({ what, figure, unit, limit, ratio, goal }: Row): string {
  const beside = limit === undefined ? '' : `  beside ${number(limit.figure)} (${limit.what})`;
  const quotient =
    ratio === undefined ? '' : `  ratio ${ratio < 0.1 ? ratio.toPrecision(3) : ratio.toFixed(2)}`;
  const wanted = goal === undefined ? '' : `  goal ${goal}`;
  return `  ${what}: ${number(figure)} ${unit}${beside}${quotient}${wanted}\n`;
}

function number(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}
