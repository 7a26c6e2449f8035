import { join } from 'node:path';
import type { Evaluation } from '../../src/format/evaluation.ts';
import { readQuestions } from '../../src/format/question.ts';
import { AnswerJournal } from '../../src/site/evaluation/answer-journal.ts';
import { runEvaluation } from '../../src/site/evaluation/run-evaluation.ts';
import { llamaServerFolder, startLlamaServer } from '../../test/lab/llama-server.ts';
import { defaultAnswer, writeTinyModel } from '../../test/lab/tiny-model.ts';
import type { BenchContext, Row } from './benchmark.ts';
import { inTurns, type Measured, measure } from './measure.ts';

export const name = 'evaluate';
export const about =
  'an evaluation of the real llama-server with its journal, beside a plain client with as many requests at a time';

const QUESTIONS = 2000;
const CONCURRENCY = 8;
const { signal } = new AbortController();

export async function run({ folder, size = QUESTIONS, say }: BenchContext): Promise<Row[]> {
  const model = join(folder, 'tiny.gguf');
  writeTinyModel(model);
  say('starting llama-server');
  const server = await startLlamaServer(await llamaServerFolder(), [
    ...['--model', model, '--alias', 'tiny', '--parallel', String(CONCURRENCY)],
  ]);
  try {
    let runs = 0;
    const timed = await inTurns(3, {
      evaluation: () => time(() => evaluate(size, server.port, join(folder, `${runs++}.jsonl`))),
      plain: () =>
        measure(process.execPath, [
          '--input-type=module',
          '-e',
          plainClient,
          String(server.port),
          String(size),
        ]),
    });
    const rate = ({ seconds }: Measured): number => size / seconds;
    const limit = { what: 'plain client', figure: rate(timed.plain) };
    const figure = rate(timed.evaluation);
    return [
      {
        ...{ what: `${size} questions, ${CONCURRENCY} at a time`, figure, unit: 'questions/s' },
        ...{ limit, ratio: figure / limit.figure, goal: 'at least 0.9' },
      },
    ];
  } finally {
    await server.stop();
  }
}

async function evaluate(size: number, port: number, journal: string): Promise<void> {
  const evaluation: Evaluation = {
    ...{ name: 'bench', service: 'server', model: 'tiny', api: 'completions', questions: 'q' },
    ...{ maxTokens: 16, temperature: 0, concurrency: CONCURRENCY, withinSeconds: 60 },
    ...{ budgetMinutes: 60, thresholds: { passRate: 1 } },
  };
  const expected = { contains: defaultAnswer.join('').trim() };
  const lines = Array.from({ length: size }, (_, index) =>
    JSON.stringify({ id: `question ${index}`, prompt: 'hello', expect: expected }),
  );
  const { results } = await runEvaluation({
    ...{ evaluation, server: 'llama.cpp', adapters: [], signal, emit: () => {} },
    endpoint: { address: '127.0.0.1', port },
    questions: readQuestions(Buffer.from(lines.join('\n')), 'q.jsonl', evaluation),
    journal: new AnswerJournal(journal, 'bench'),
  });
  const failed = results.find(({ passed }) => !passed);
  if (failed !== undefined || results.length !== size)
    throw new Error(`${results.length} of ${size}, ${failed?.found}`);
}

/** Asks the same and looks at nothing: a loop of fetch in each lane. */
const plainClient = `
const [port, size] = process.argv.slice(1).map(Number);
let left = size;
const body = JSON.stringify({ model: 'tiny', max_tokens: 16, temperature: 0, prompt: 'hello' });
const headers = { 'content-type': 'application/json' };
const lane = async () => {
  while (left-- > 0) {
    const answer = await fetch('http://127.0.0.1:' + port + '/v1/completions', { method: 'POST', headers, body });
    await answer.json();
  }
};
await Promise.all(Array.from({ length: ${CONCURRENCY} }, lane));
`;

async function time(work: () => Promise<void>): Promise<Measured> {
  const began = performance.now();
  await work();
  return { seconds: (performance.now() - began) / 1000, cpuSeconds: 0, peakMib: 0 };
}
