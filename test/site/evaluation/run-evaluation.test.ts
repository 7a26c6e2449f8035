import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Evaluation } from '../../../src/format/evaluation.ts';
import { type NumberedQuestion, readQuestions } from '../../../src/format/question.ts';
import { AnswerJournal } from '../../../src/site/evaluation/answer-journal.ts';
import { type EvaluationRun, runEvaluation } from '../../../src/site/evaluation/run-evaluation.ts';
import { brokenWay } from '../../support/broken-way.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { type Behaviour, startFakeServer } from '../../support/fake-server.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder();

const evaluation: Evaluation = {
  name: 'clinic',
  service: 'server',
  model: 'tiny',
  api: 'chat',
  questions: 'questions',
  maxTokens: 16,
  temperature: 0,
  concurrency: 4,
  withinSeconds: 5,
  budgetMinutes: 10,
  thresholds: { passRate: 1 },
};

function asking(count: number): readonly NumberedQuestion[] {
  const lines = Array.from({ length: count }, (_, index) =>
    JSON.stringify({ prompt: `q${index}`, expect: { contains: `q${index}` } }),
  );
  return readQuestions(Buffer.from(lines.join('\n')), 'x.jsonl', evaluation);
}

async function server(
  behaviour: Behaviour = {},
): Promise<
  Pick<EvaluationRun, 'server' | 'adapters' | 'endpoint'> & { readonly prompts: () => string[] }
> {
  const { port, requests } = await startFakeServer(behaviour);
  const prompts = (): string[] =>
    requests.map(
      ({ body }) => (body as { messages: { content: string }[] }).messages[0]?.content ?? '',
    );
  return { server: 'vllm', adapters: [], endpoint: { address: '127.0.0.1', port }, prompts };
}

describe('a run', () => {
  it('asks each question once, in any order of answers, and keeps the order of the questions', async () => {
    const { prompts, ...asked } = await server({ answer: (prompt) => `answer to ${prompt}` });
    const questions = asking(50);
    const twice = [...questions, ...questions.slice(0, 5)];
    const ran = await runEvaluation({ ...asked, ...context(), evaluation, questions: twice });
    expect(ran.results.map((each) => each.question)).toEqual(questions.map((each) => each.sha256));
    expect(ran.results.every((each) => each.passed)).toBe(true);
    expect(prompts().toSorted()).toEqual(questions.map((_, index) => `q${index}`).toSorted());
  });

  it('asks again what did not reach its server, because the way to it failed', async () => {
    const { prompts: _, ...asked } = await server({ answer: (prompt) => prompt });
    const way = await brokenWay(asked.endpoint.port, { first: 1, fault: 'cut' });
    const endpoint = { address: '127.0.0.1', port: way.port };
    const questions = asking(8);
    const run = { ...asked, ...context(), endpoint, evaluation, questions };
    const { results } = await runEvaluation({ ...run, way });
    expect(results.map(({ passed }) => passed)).toEqual(questions.map(() => true));
    const cut = await brokenWay(asked.endpoint.port, { first: 1, fault: 'cut' });
    const without = await runEvaluation({ ...run, endpoint: { ...endpoint, port: cut.port } });
    expect(without.results.some(({ passed }) => passed)).toBe(false);
  });

  it('says what was expected of an answer that failed, and of no other', async () => {
    const { prompts: _, ...asked } = await server({
      answer: (prompt) => (prompt === 'q1' ? 'x' : prompt),
    });
    const questions = asking(3);
    const { results } = await runEvaluation({ ...asked, ...context(), evaluation, questions });
    expect(results.map(({ expected }) => expected)).toEqual([
      ...[undefined, 'an answer that contains "q1"', undefined],
    ]);
    const long = `{"prompt":"hello","expect":{"equals":"${'y'.repeat(9000)}"}}`;
    const [one] = (
      await runEvaluation({
        ...{ ...asked, ...context(), evaluation },
        questions: readQuestions(Buffer.from(long), 'x.jsonl', evaluation),
      })
    ).results;
    expect(one?.expected?.length).toBeLessThan(510);
  });

  it('says what the model answered, long answers cut, and judges the whole answer', async () => {
    const { prompts: _, ...asked } = await server({
      answer: (prompt) => `${'x'.repeat(10_000)}${prompt}`,
    });
    const { results } = await runEvaluation({
      ...asked,
      ...context(),
      evaluation,
      questions: asking(1),
    });
    expect(results[0]?.passed).toBe(true);
    expect(results[0]?.found.length).toBeLessThan(4100);
  });

  it('goes on after a kill without asking again what was answered', async () => {
    const controller = new AbortController();
    let answered = 0;
    const { prompts, ...asked } = await server({
      answer: (prompt) => {
        answered += 1;
        if (answered === 20) controller.abort();
        return prompt;
      },
    });
    const path = join(scratch.fresh(), 'run.jsonl');
    const questions = asking(60);
    const run = { ...asked, ...context(), evaluation, questions };
    const first = { ...run, signal: controller.signal, journal: new AnswerJournal(path, 'run 1') };
    await expectCode(() => runEvaluation(first), 'interrupted');
    const kept = readFileSync(path, 'utf8').trimEnd().split('\n').length - 1;
    expect(kept).toBeGreaterThan(0);
    // A kill in the middle of a line.
    writeFileSync(path, `${readFileSync(path, 'utf8')}{"result":{"ques`);
    const before = prompts().length;
    const ran = await runEvaluation({ ...run, journal: new AnswerJournal(path, 'run 1') });
    expect(ran.results).toHaveLength(60);
    expect(prompts().length - before).toBe(60 - kept);
  });

  it('does not take the answers of another run', async () => {
    const { prompts, ...asked } = await server();
    const path = join(scratch.fresh(), 'run.jsonl');
    const run = { ...asked, ...context(), evaluation, questions: asking(3) };
    await runEvaluation({ ...run, journal: new AnswerJournal(path, 'run 1') });
    await runEvaluation({ ...run, journal: new AnswerJournal(path, 'run 2') });
    expect(prompts()).toHaveLength(6);
  });

  it('stops at the end of its time, and what is left was not asked', async () => {
    const { prompts: _, ...asked } = await server({
      odd: (__, response) => {
        void sleep(50).then(() => response.end('{"choices":[{"message":{"content":"q"}}]}'));
        return true;
      },
    });
    const short = { ...evaluation, concurrency: 1, budgetMinutes: 0.15 / 60 };
    const ran = await runEvaluation({
      ...asked,
      ...context(),
      evaluation: short,
      questions: asking(50),
    });
    expect(ran.results.length).toBeGreaterThan(0);
    expect(ran.results.length).toBeLessThan(50);
  });

  it('asks over a new connection where the server closed a kept one', async () => {
    const served = new WeakSet<object>();
    const { prompts, ...asked } = await server({
      odd: (_, { socket }) => {
        if (socket === null) return false;
        if (served.has(socket)) {
          socket.resetAndDestroy();
          return true;
        }
        served.add(socket);
        return false;
      },
    });
    const questions = asking(8);
    const one = { ...evaluation, concurrency: 1 };
    const ran = await runEvaluation({ ...asked, ...context(), evaluation: one, questions });
    expect(ran.results.every(({ passed }) => passed)).toBe(true);
    expect(prompts().length).toBeGreaterThan(8);
  });

  it('stops when the server answers nothing any more, and keeps no answer of that', async () => {
    const { prompts, ...asked } = await server({
      odd: (_, response) => {
        response.destroy();
        return true;
      },
    });
    const path = join(scratch.fresh(), 'run.jsonl');
    const journal = new AnswerJournal(path, 'run 1');
    const error = await expectCode(
      () => runEvaluation({ ...asked, ...context(), evaluation, questions: asking(100), journal }),
      'gate-failed',
    );
    expect(error.found).toBe('no response within 5 s');
    expect(prompts().length).toBeLessThan(40);
    expect(readFileSync(path, 'utf8')).toBe('run 1\n');
  });

  it.each([
    ['an error of the server', 500, 'no memory'],
    ['an answer that is not JSON', 200, '<html>'],
    ['an answer without choices', 200, '{"choices":[]}'],
  ])('counts %s as a question that did not pass', async (_, status, body) => {
    const { prompts: __, ...asked } = await server({
      odd: (___, response) => {
        response.writeHead(status).end(body);
        return true;
      },
    });
    const { results } = await runEvaluation({
      ...asked,
      ...context(),
      evaluation,
      questions: asking(1),
    });
    expect(results[0]).toMatchObject({
      passed: false,
      found: `status ${status}: ${JSON.stringify(body)}`,
    });
  });
});
