import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { EvaluationResult } from '../../../src/format/evaluation-result.ts';
import { writeResult } from '../../../src/site/evaluation/write-result.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { packedAt } from '../../support/context.ts';
import { type Ran, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder();
let place: string;
const files: string[] = [];

const run = (...args: readonly string[]): Promise<Ran> => runProgram(args, place);

function result(generation: number, lost: readonly number[]): EvaluationResult {
  const results = Array.from({ length: 4 }, (_, index) => ({
    question: `${index}`.repeat(64),
    id: `question ${index}`,
    weight: 1,
    tags: index === 0 ? ['safety'] : [],
    passed: !lost.includes(index),
    found: lost.includes(index) ? 'no number: "seven"' : '"7"',
    ...(lost.includes(index) ? { expected: 'an answer that ends with the number 7' } : {}),
    milliseconds: 100,
  }));
  const passed = 4 - lost.length;
  return {
    schema: 'stowage/evaluation/v1',
    site: 'plant',
    at: `2026-11-21T1${generation}:00:00Z`,
    tool: 'stowage 0.1.0',
    evaluation: 'clinic',
    gate: generation === 2,
    generation,
    release: {
      name: 'chat',
      version: `1.${generation}.0`,
      seq: generation,
      bundle: 'a'.repeat(128),
    },
    service: 'server',
    model: 'tiny',
    questions: 'b'.repeat(64),
    thresholds: { passRate: 1 },
    summary: {
      ...{ questions: 4, passed, rate: passed / 4, unasked: 0 },
      tags: {
        safety: { questions: 1, passed: lost.includes(0) ? 0 : 1, rate: lost.includes(0) ? 0 : 1 },
      },
      ...{ p50Milliseconds: 100, p95Milliseconds: 120, tokensPerSecond: 12.5, milliseconds: 400 },
    },
    missed: lost.length === 0 ? [] : [`${passed} of 4 passed; at least 100 % must pass`],
    results,
  };
}

beforeAll(async () => {
  place = scratch.fresh();
  mkdirSync(join(place, 'site'), { recursive: true });
  writeFileSync(
    join(place, 'site/site.yaml'),
    'apiVersion: stowage/v1\nname: plant\ntarget: depot\n',
  );
  const site = new SiteFolder(join(place, 'site'));
  await site.prepare();
  for (const each of [result(1, []), result(2, [0])])
    files.push(await writeResult(site, each, packedAt));
});

describe('stowage evaluate', () => {
  it('lists the results of a site, and shows one with its failed questions and its signer', async () => {
    const all = await run('evaluate', 'show', '--site', 'site');
    expect(all.stdout).toContain('generation 1: evaluation clinic passed, 4 of 4 passed (100 %)');
    expect(all.stdout).toContain('evaluation clinic in the gate FAILED, 3 of 4 passed (75 %)');
    const one = await run('evaluate', 'show', files[1] ?? '');
    expect(one.stdout).toMatch(/^ {2}MISSED: 3 of 4 passed/m);
    expect(one.stdout).toMatch(
      /^ {2}failed: question 0 \[safety\]: .*seven.*; expected an answer that ends with the number 7$/m,
    );
    expect(one.stdout).toMatch(/certificate of SHA-256 [0-9a-f]{64}/);
  });

  it('compares two of them, and writes the page', async () => {
    const [before = '', after = ''] = files;
    const { stdout, status } = await run(
      'evaluate',
      'compare',
      before,
      after,
      '--page',
      'page.html',
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ {2}LOST question 0: no number/m);
    expect(readFileSync(join(place, 'page.html'), 'utf8')).toContain('Passed before, failed now');
    const again = await run('evaluate', 'compare', before, after, '--page', 'page.html');
    expect(again.error?.code).toBe('output-exists');
    const data = await run('evaluate', 'compare', before, after, '--json');
    expect(JSON.parse(data.stdout)).toMatchObject({ questions: [{ change: 'lost' }, {}, {}, {}] });
  });

  it('puts results into the history', async () => {
    const { stdout } = await run('history', '--site', 'site');
    expect(stdout).toMatch(
      /evaluate {3}chat 1\.1\.0, clinic; generation 1; 4 of 4 passed \(100 %\); thresholds met/,
    );
    expect(stdout).toMatch(
      /in the gate of generation 2; 3 of 4 passed \(75 %\); THRESHOLDS MISSED/,
    );
  });

  it('converts questions, and names the format that it saw', async () => {
    writeFileSync(join(place, 'evals.jsonl'), '{"input":"q","ideal":"a"}\n');
    const { stdout } = await run('evaluate', 'convert', 'evals.jsonl', '-o', 'own.jsonl');
    expect(stdout).toContain('1 question, from OpenAI evals');
    expect(readFileSync(join(place, 'own.jsonl'), 'utf8')).toBe(
      '{"prompt":"q","expect":{"contains":"a"}}\n',
    );
    const again = await run('evaluate', 'convert', 'evals.jsonl', '-o', 'own.jsonl');
    expect(again).toMatchObject({ status: 1 });
    writeFileSync(join(place, 'other.jsonl'), '{"question":"q"}\n');
    expect(await run('evaluate', 'convert', 'other.jsonl', '-o', 'x.jsonl')).toMatchObject({
      status: 2,
    });
  });

  it('says what there is when a release or an evaluation is unknown', async () => {
    const none = await run('evaluate', '--site', 'site');
    expect(none).toMatchObject({ status: 1 });
    expect(none.stderr).toContain('release-unknown');
  });
});
