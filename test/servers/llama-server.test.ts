import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AcceptanceTest } from '../../src/format/deployment.ts';
import { acceptanceCheck } from '../../src/site/gate/acceptance.ts';
import type { Outcome } from '../../src/site/gate/outcome.ts';
import { type LlamaServer, llamaServerFolder, startLlamaServer } from '../lab/llama-server.ts';
import { miniLmGguf } from '../lab/minilm.ts';
import {
  adaptedAnswer,
  defaultAnswer,
  writeTinyAdapter,
  writeTinyModel,
} from '../lab/tiny-model.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();
let chat: LlamaServer;
let embeddings: LlamaServer;
let rerank: LlamaServer;
let real: LlamaServer;

beforeAll(async () => {
  const folder = await llamaServerFolder();
  const model = scratch.fresh('tiny.gguf');
  writeTinyModel(model);
  const common = ['--model', model, '--alias', 'tiny'];
  const adapter = scratch.fresh('adapter.gguf');
  writeTinyAdapter(adapter);
  chat = await startLlamaServer(folder, [...common, '--lora-scaled', `${adapter}:0`]);
  const pooled = ['--embeddings', '--pooling', 'mean'];
  embeddings = await startLlamaServer(folder, [...common, ...pooled]);
  const miniLm = ['--model', await miniLmGguf(), '--alias', 'minilm'];
  real = await startLlamaServer(folder, [...miniLm, '--embeddings']);
  const ranker = ['--model', await miniLmGguf({ ranks: true }), '--alias', 'minilm'];
  rerank = await startLlamaServer(folder, [...ranker, '--reranking']);
});

afterAll(async () => {
  for (const each of [chat, embeddings, rerank, real]) await each?.stop();
});

function ask(test: AcceptanceTest, { port }: LlamaServer): Promise<Outcome> {
  const endpoint = { address: '127.0.0.1', port };
  const { signal } = new AbortController();
  const adapters = [{ name: 'terse', model: 'terse' }];
  return acceptanceCheck({ test, server: 'llama.cpp', adapters, endpoint, signal }).run();
}

const common = { service: 'server', model: 'tiny', withinSeconds: 30 };
const documents = ['hello', 'Bread is baked in an oven.', 'Iron rusts in the rain.'];

describe('when the real llama-server is tested', () => {
  it('answers a prompt', async () => {
    const answer = defaultAnswer.join('').trim();
    const outcome = await ask(
      {
        ...{ ...common, api: 'completions', prompt: 'hello', maxTokens: 16 },
        expect: { equals: answer },
      },
      chat,
    );
    expect(outcome).toEqual({ passed: expect.stringContaining(answer) });
  });

  it('applies an adapter to the requests that ask for it, and to no others', async () => {
    const prompt = { api: 'completions', prompt: 'hello', maxTokens: 16 } as const;
    const adapted = {
      ...common,
      ...prompt,
      model: 'terse',
      expect: { equals: adaptedAnswer.trim() },
    };
    expect(await ask(adapted, chat)).toEqual({
      passed: expect.stringMatching(/^with adapter terse, from model tiny, .* ok"/),
    });
    const base = { ...common, ...prompt, expect: { equals: defaultAnswer.join('').trim() } };
    expect(await ask(base, chat)).toEqual({ passed: expect.stringContaining('air gap') });
  });

  it('embeds a text nearest to itself, with the dimension of the model and a norm of 1', async () => {
    const test: AcceptanceTest = {
      ...{ ...common, api: 'embeddings', query: 'hello', documents },
      expect: { nearest: 'hello', dimension: 512, norm: 1 },
    };
    expect(await ask(test, embeddings)).toEqual({
      passed: expect.stringMatching(/^from model tiny, 512 dimensions, .*by cosine 1\.0 "hello"/),
    });
    const wrong: AcceptanceTest = { ...test, expect: { nearest: 'hello', dimension: 384 } };
    expect(await ask(wrong, embeddings)).toBe('embeddings of 512 dimensions');
  });

  it('finds with a real embedding model the sentence that answers a question', async () => {
    const [, answers, bread, iron] = readmeExample();
    const test: AcceptanceTest = {
      ...{ ...common, model: 'minilm', api: 'embeddings', query: readmeExample()[0] ?? '' },
      documents: [answers, bread, iron].map((each) => each ?? ''),
      expect: { nearest: answers ?? '', dimension: 384, norm: 1 },
    };
    const outcome = await ask(test, real);
    expect(outcome).toEqual({
      passed: expect.stringMatching(/^from model minilm, 384 dimensions, .*by cosine 0\.60/),
    });
    const wrong = { ...test, expect: { nearest: bread ?? '' } };
    expect(await ask(wrong, real)).toMatch(/^by cosine 0\.60\d+ "Paris/);
  });

  it('ranks every document, and one of them first', async () => {
    const outcomes = await Promise.all(
      documents.map((nearest) =>
        ask(
          {
            ...common,
            model: 'minilm',
            api: 'rerank',
            query: 'hello',
            documents,
            expect: { nearest },
          },
          rerank,
        ),
      ),
    );
    expect(outcomes.filter((each) => typeof each === 'object')).toHaveLength(1);
    for (const each of outcomes)
      expect(JSON.stringify(each)).toMatch(/by score .*Bread .*|by score .*Iron .*/);
  });
});

/** The query and the documents of the example for embeddings in the reference of manifests. */
function readmeExample(): string[] {
  const text = readFileSync(new URL('../../manifests/README.md', import.meta.url), 'utf8');
  const [, query = '', list = ''] =
    /api: embeddings\n +query: (.*)\n +documents: \[(.*)\]/.exec(text) ?? [];
  return [query, ...list.split(', ')];
}
