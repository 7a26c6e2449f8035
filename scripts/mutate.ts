// Mutation testing: takes one check at a time out of a copy of the project, and says which of them no test misses.
//
//   node scripts/mutate.ts [--sample N] [--seed N] [--lanes N] [--list] [--json] [FILE...]
//
// Without files: src/trust and what admission consists of. --sample takes N mutants at random, the same ones for the
// same --seed. --lanes runs so many at once (1). --list runs nothing. Ends with 1 when a mutant survived that
// scripts/mutate/accepted.ts does not explain. What is mutated, and what is not: scripts/mutate/find.ts. Which tests
// are asked, and which slow ones are not: scripts/mutate/tests.ts.
//
// Stryker 9.6 with its vitest runner starts here, but its trial run of the tests did not end within three minutes.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { accepted } from './mutate/accepted.ts';
import { findMutants, type Mutant } from './mutate/find.ts';
import { Lane } from './mutate/lane.ts';
import { copyProject, removeCopies } from './mutate/project-copy.ts';
import { relatedTests } from './mutate/tests.ts';
import { runWorker } from './mutate/worker.ts';

interface Result extends Mutant {
  readonly outcome: 'killed' | 'survived' | 'accepted' | 'timeout';
  /** The test that failed, or why it may survive. */
  readonly by: string;
}

const SLOWEST_MS = 300_000;
const PATIENCE = 4;
const SPARE_MS = 10_000;
const usual = new Map<string, number>();

const program = fileURLToPath(import.meta.url);
const root = fileURLToPath(new URL('..', import.meta.url));
const admission = [
  'bundle/admission/admit',
  'bundle/admission/admission-policy',
  'bundle/admission/approval',
  'bundle/admission/recall',
  'bundle/admission/trust-files',
  'bundle/bundle-files',
  'bundle/inventory',
  'site/ledger/ledger',
  'site/ledger/site-ledger',
  'site/ledger/site-state',
].map((name) => `src/${name}.ts`);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    lanes: { type: 'string', default: '1' },
    list: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    worker: { type: 'string' },
  },
});
if (values.worker === undefined) await main();
else await runWorker(values.worker);

async function main(): Promise<void> {
  const standard = [...globSync('src/trust/*.ts', { cwd: root }).sort(), ...admission];
  const files = positionals.length > 0 ? positionals : standard;
  const all = files.flatMap((file) => findMutants(file, readFileSync(join(root, file), 'utf8')));
  const chosen = values.sample === undefined ? all : sampleOf(all, Number(values.sample));
  if (values.list) {
    for (const each of chosen) console.log(placeOf(each));
    return;
  }
  const started = performance.now();
  const results = await runAll(chosen);
  const seconds = Math.round((performance.now() - started) / 1000);
  const bad = results.filter(({ outcome }) => outcome === 'survived');
  const stale = values.sample === undefined ? staleEntries(files, results) : [];
  if (values.json) console.log(JSON.stringify({ seconds, results, stale }, undefined, 1));
  else report(results, stale, seconds);
  process.exitCode = bad.length + stale.length > 0 ? 1 : 0;
}

async function runAll(mutants: readonly Mutant[]): Promise<Result[]> {
  const lanes = Array.from(
    { length: Math.max(1, Number(values.lanes)) },
    () => new Lane(program, copyProject(root)),
  );
  const clean = (): void => {
    for (const lane of lanes) lane.end();
    removeCopies();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      clean();
      process.exit(130);
    });
  try {
    const waiting = Object.values(Object.groupBy(mutants, ({ file }) => file)).filter(
      (group) => group !== undefined,
    );
    const results: Result[] = [];
    const work = async (lane: Lane): Promise<void> => {
      for (let group = waiting.shift(); group !== undefined; group = waiting.shift())
        results.push(...(await runFile(lane, group)));
    };
    await Promise.all(lanes.map(work));
    return results.sort((a, b) => mutants.findIndex(is(a)) - mutants.findIndex(is(b)));
  } finally {
    clean();
  }
}

function is(one: Mutant): (other: Mutant) => boolean {
  return (other) =>
    other.file === one.file && idOf(other) === idOf(one) && other.start === one.start;
}

async function runFile(lane: Lane, mutants: readonly Mutant[]): Promise<Result[]> {
  const file = mutants[0]?.file ?? '';
  const tests = relatedTests(file, lane.copy);
  const results: Result[] = [];
  for (const mutant of mutants) {
    const result = await runMutant(lane, mutant, tests);
    results.push(result);
    if (result.outcome !== 'killed') console.error(`${result.outcome}  ${placeOf(mutant)}`);
  }
  console.error(`${file}: ${mutants.length} mutants, ${killed(results)} killed`);
  return results;
}

async function runMutant(lane: Lane, mutant: Mutant, tests: readonly string[]): Promise<Result> {
  for (const test of tests) {
    const patience = (await usualMs(lane, test)) * PATIENCE + SPARE_MS;
    const answer = await lane.ask({ test, change: mutant }, patience);
    if (answer === undefined) return { ...mutant, outcome: 'timeout', by: `${test} does not end` };
    if (answer.failed !== undefined) return { ...mutant, outcome: 'killed', by: answer.failed };
  }
  const entry = accepted.find((each) => each.mutant === idOf(mutant));
  if (entry === undefined) return { ...mutant, outcome: 'survived', by: '' };
  return { ...mutant, outcome: 'accepted', by: entry.reason };
}

/**
 * How long a file of tests takes without any mutant.
 * @throws Error when it does not pass, which would kill every mutant
 */
async function usualMs(lane: Lane, test: string): Promise<number> {
  const known = usual.get(test);
  if (known !== undefined) return known;
  const before = performance.now();
  const answer = await lane.ask({ test }, SLOWEST_MS);
  if (answer === undefined || answer.failed !== undefined || answer.passed === 0)
    throw new Error(`without a mutant ${test} does not pass: ${answer?.failed ?? 'nothing ran'}`);
  usual.set(test, performance.now() - before);
  return performance.now() - before;
}

function staleEntries(files: readonly string[], results: readonly Result[]): string[] {
  const needed = new Set(results.filter(({ outcome }) => outcome === 'accepted').map(idOf));
  return accepted
    .map(({ mutant }) => mutant)
    .filter((id) => files.some((file) => id.startsWith(`${file}#`)) && !needed.has(id));
}

function report(results: readonly Result[], stale: readonly string[], seconds: number): void {
  const count = (outcome: Result['outcome']): number =>
    results.filter((each) => each.outcome === outcome).length;
  for (const each of results.filter(({ outcome }) => outcome === 'accepted'))
    console.log(`accepted  ${placeOf(each)}\n    ${each.by}`);
  for (const each of results.filter(({ outcome }) => outcome === 'survived'))
    console.log(`SURVIVED  ${placeOf(each)}\n    ${each.before}\n    ${idOf(each)}`);
  for (const each of stale) console.log(`no longer survives, take it off the list: ${each}`);
  console.log(
    `${results.length} mutants in ${seconds} s: ${count('killed')} killed, ${count('timeout')} without end, ${count('accepted')} accepted with a reason, ${count('survived')} survived`,
  );
}

function killed(results: readonly Result[]): number {
  return results.filter(({ outcome }) => outcome === 'killed').length;
}

function placeOf(mutant: Mutant): string {
  return `${mutant.file}:${mutant.line}  ${mutant.kind}: ${mutant.after}`;
}

function idOf(mutant: Mutant): string {
  return `${mutant.file}#${mutant.within}: ${mutant.kind}: ${mutant.after}`;
}

/** So many of them, in their order, chosen by a generator that begins with the seed (mulberry32). */
function sampleOf(mutants: readonly Mutant[], size: number): Mutant[] {
  let state = Number(values.seed) >>> 0;
  const random = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const drawn = mutants.map((mutant) => [random(), mutant] as const);
  const last = drawn.map(([number]) => number).sort((a, b) => a - b)[size - 1] ?? Infinity;
  return drawn.filter(([number]) => number <= last).map(([, mutant]) => mutant);
}
