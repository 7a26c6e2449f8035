import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AcceptanceRanking } from '../../../src/format/deployment.ts';
import { acceptanceCheck } from '../../../src/site/gate/acceptance.ts';
import type { Outcome } from '../../../src/site/gate/outcome.ts';
import { json, startFakeServer } from '../../support/fake-server.ts';

const documents = ['Paris is a city.', 'Bread is baked.', 'Iron rusts.'];
const query = 'Where is the capital?';

const embeddings: AcceptanceRanking = {
  service: 'embed',
  model: 'tiny',
  api: 'embeddings',
  query,
  documents,
  withinSeconds: 5,
  expect: { nearest: 'Paris is a city.' },
};
const rerank: AcceptanceRanking = { ...embeddings, api: 'rerank' };

interface Asked {
  readonly outcome: Outcome;
  readonly expected: string;
  readonly requests: readonly { readonly path: string; readonly body: unknown }[];
}

/** What a test gets of a server that gives these answers, one after the other. */
async function ask(test: AcceptanceRanking, answers: readonly unknown[]): Promise<Asked> {
  let next = 0;
  const server = await startFakeServer({
    odd: (_, response) => {
      const answer = answers[next];
      next += 1;
      if (typeof answer === 'number') response.writeHead(answer).end('no');
      else if (typeof answer === 'string') response.writeHead(200).end(answer);
      else json(response, answer ?? null);
      return true;
    },
  });
  const endpoint = { address: '127.0.0.1', port: server.port };
  const { signal } = new AbortController();
  const { expected, run } = acceptanceCheck({ test, server: 'vllm', endpoint, signal });
  return { outcome: await run(), expected, requests: server.requests };
}

const vectors = (...list: readonly unknown[]): unknown[] =>
  list.map((embedding) => ({
    object: 'list',
    data: [{ object: 'embedding', index: 0, embedding }],
    model: 'tiny',
  }));

const near = vectors([1, 0], [0.8, 0.6], [0, 1], [-1, 0]);

describe('when embeddings are tested', () => {
  it('asks for one text at a time, and passes with the evidence', async () => {
    const test = { ...embeddings, expect: { ...embeddings.expect, dimension: 2, norm: 1 } };
    const { outcome, expected, requests } = await ask(test, near);
    expect(outcome).toEqual({
      passed:
        'from model tiny, 2 dimensions, norms of 1.0 to 1.0: by cosine 0.8 "Paris is a city.", 0.0 "Bread is baked.", -1.0 "Iron rusts."',
    });
    expect(expected).toBe(
      'model tiny embeds 3 documents with 2 dimensions and a norm of 1, of which "Paris is a city." is nearest to "Where is the capital?", within 5 s',
    );
    expect(requests).toEqual(
      [query, ...documents].map((input) => ({
        path: '/v1/embeddings',
        body: { model: 'tiny', input },
      })),
    );
  });

  it.each<[string, object, readonly unknown[], RegExp]>([
    [
      'another document is nearest',
      {},
      vectors([1, 0], [0, 1], [1, 0], [0, 1]),
      /^by cosine 1.0 "Bread/,
    ],
    [
      'two documents are equally near',
      {},
      vectors([1, 0], [1, 0], [1, 0], [0, 1]),
      /^by cosine 1.0/,
    ],
    ['the dimension is another', { dimension: 3 }, near, /^embeddings of 2 dimensions$/],
    ['dimensions differ', {}, vectors([1, 0], [1, 0, 0], [0, 1], [0, 1]), /^embeddings of 2 and 3/],
    [
      'the norm is another',
      { norm: 1 },
      vectors([2, 0], [1, 0], [0, 1], [0, 1]),
      /^norms of 1.0 to 2.0$/,
    ],
    ['a vector is zero', {}, vectors([1, 0], [0, 0], [0, 1], [0, 1]), /norm is 0$/],
    [
      'a value is null, as NaN is in JSON',
      {},
      vectors([1, null]),
      /not a list of numbers for "Where/,
    ],
    ['a vector is empty', {}, vectors([]), /not a list of numbers/],
    ['a vector is a text', {}, vectors('AACAPw=='), /not a list of numbers/],
    ['vectors of tokens are not pooled', {}, vectors([[1, 0]]), /not a list of numbers/],
    ['there is no embedding', {}, [{ data: [] }], /without one embedding/],
    ['there are two embeddings', {}, [{ data: [{}, {}] }], /without one embedding/],
    ['the embedding is null', {}, [{ data: [null] }], /not a list of numbers/],
    ['the server refuses', {}, [...near.slice(0, 2), 501], /^status 501 from .*: "no"$/],
    ['the answer is no JSON', {}, ['<html>'], /^status 200 from .*: "<html>"$/],
    ['the answer is null', {}, [null], /^status 200/],
    ['values overflow', {}, vectors([1e308, 1e308], [1e308, 1e308], [1, 0], [0, 1]), /^by cosine/],
  ])('fails if %s', async (_, wanted, answers, found) => {
    const test = { ...embeddings, expect: { ...embeddings.expect, ...wanted } };
    const { outcome } = await ask(test, answers);
    expect(outcome).toMatch(found);
  });

  it('accepts a norm within one percent, and none further away', async () => {
    const test = { ...embeddings, expect: { ...embeddings.expect, norm: 10 } };
    for (const [norm, passes] of [
      [9.91, true],
      [10.09, true],
      [9.89, false],
      [10.11, false],
    ] as const) {
      const { outcome } = await ask(test, vectors([10, 0], [norm, 0], [0, 10], [-10, 0]));
      expect(typeof outcome === 'object').toBe(passes);
    }
  });

  it('has one limit of time for all texts', async () => {
    const server = await startFakeServer({
      odd: (_, response) => {
        setTimeout(() => json(response, near[0]), 700);
        return true;
      },
    });
    const endpoint = { address: '127.0.0.1', port: server.port };
    const test = { ...embeddings, withinSeconds: 1 };
    const { signal } = new AbortController();
    const { run } = acceptanceCheck({ test, server: 'vllm', endpoint, signal });
    expect(await run()).toBe('no response within 1 s');
    expect(server.requests.length).toBe(2);
  });
});

describe('when a ranking is tested', () => {
  const result = (index: unknown, relevance_score: unknown): object => ({ index, relevance_score });

  it.each([
    [
      'vLLM',
      {
        id: 'score-1',
        model: 'tiny',
        usage: { total_tokens: 3 },
        results: [
          { ...result(0, 0.91), document: { text: documents[0] } },
          { ...result(2, 0.2), document: { text: documents[2] } },
          { ...result(1, 0.1), document: { text: documents[1] } },
        ],
      },
      '0.91 "Paris is a city.", 0.2 "Iron rusts.", 0.1 "Bread is baked."',
    ],
    [
      'llama-server',
      { model: 'tiny', object: 'list', results: [result(1, -7), result(0, 3.5), result(2, -9)] },
      '3.5 "Paris is a city.", -7.0 "Bread is baked.", -9.0 "Iron rusts."',
    ],
  ])('reads the answer of %s', async (_, answer, order) => {
    const { outcome, requests } = await ask(rerank, [answer]);
    expect(outcome).toEqual({ passed: `from model tiny: by score ${order}` });
    expect(requests).toEqual([{ path: '/v1/rerank', body: { model: 'tiny', query, documents } }]);
  });

  it.each<[string, unknown, RegExp]>([
    ['another is first', [result(0, 0.1), result(1, 0.9), result(2, 0)], /^by score 0.9 "Bread/],
    ['two are first', [result(0, 0.9), result(1, 0.9), result(2, 0)], /^by score 0.9/],
    ['one is missing', [result(0, 0.9), result(1, 0.1)], /^scores of 2 documents instead of 3$/],
    ['one is twice', [result(0, 0.9), result(0, 0.8), result(1, 0.1)], /^scores of 2 documents/],
    ['one more is ranked', [0, 1, 2, 3].map((at) => result(at, -at)), /^scores of 4 documents/],
    ['an index is a fraction', [result(0.5, 1), result(1, 0), result(2, 0)], /^scores of 3/],
    ['an index is a text', [result('0', 1), result(1, 0), result(2, 0)], /without index/],
    ['a score is null', [result(0, null), result(1, 0), result(2, 0)], /without index/],
    ['a result is null', [null, null, null], /without index/],
    ['there are no results', undefined, /^scores of 0 documents/],
  ])('fails if %s', async (_, results, found) => {
    const { outcome } = await ask(rerank, [{ results }]);
    expect(outcome).toMatch(found);
  });

  it('passes if and only if the score of the expected document is the highest', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(...documents.map(() => fc.integer({ min: -3, max: 3 }))),
        fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
        async (scores, order) => {
          const results = order.map((index) => result(index, scores[index]));
          const [first = 0, ...others] = scores;
          const { outcome } = await ask(rerank, [{ results }]);
          expect(typeof outcome === 'object').toBe(others.every((each) => first > each));
        },
      ),
      { seed: 11, numRuns: 30 },
    );
  });
});
