import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MAX_QUESTION_BYTES, MAX_QUESTIONS } from '../../src/core/limits.ts';
import { type Asking, readQuestions } from '../../src/format/question.ts';
import { expectCode } from '../support/error.ts';

const chat: Asking = { name: 'clinic', api: 'chat' };
const read = (lines: readonly unknown[], asking: Asking = chat): ReturnType<typeof readQuestions> =>
  readQuestions(
    Buffer.from(
      lines.map((each) => (typeof each === 'string' ? each : JSON.stringify(each))).join('\n'),
    ),
    'clinic.jsonl',
    asking,
  );

describe('when a line is a question', () => {
  it.each([
    ['equals', { equals: 'Paris' }],
    ['contains', { contains: 'Paris' }],
    ['a regular expression', { matches: '^\\d+$' }],
    ['a JSON Schema', { jsonSchema: { type: 'object' } }],
    ['a choice by label', { choice: 'B', of: ['A', 'B', 'C'] }],
    ['a number', { number: 42 }],
    ['a number within a tolerance', { number: 3.14, within: 0.01 }],
    ['a refusal', { refusal: true }],
    ['a count of tokens', { tokens: { max: 10 } }],
  ])('takes %s', (_, expected) => {
    const [found] = read([{ prompt: 'q', expect: expected }]);
    expect(found?.question).toEqual({
      messages: [{ role: 'user', content: 'q' }],
      expect: expected,
      weight: 1,
      tags: [],
    });
  });

  it('takes messages, weight, tags and an id, and names it by the SHA-256 of its line', () => {
    const line =
      '{"id":"a1","messages":[{"role":"system","content":"s"},{"role":"user","content":"u"}],"weight":2,"tags":["safety"],"expect":{"contains":"x"}}';
    const [found] = read(['', line, '']);
    expect(found?.sha256).toBe(createHash('sha256').update(line).digest('hex'));
    expect(found?.question).toMatchObject({ id: 'a1', weight: 2, tags: ['safety'] });
  });

  it('takes a query with documents where they are asked', () => {
    const question = { query: 'q', documents: ['a', 'b'], expect: { nearest: 'a' } };
    const [found] = read([question], { name: 'search', api: 'embeddings' });
    expect(found?.question).toMatchObject(question);
  });
});

describe('when a line is none, it is refused with file and line', () => {
  it.each<readonly [string, unknown, RegExp]>([
    ['text', 'hello', /clinic\.jsonl:2/],
    ['half an object', '{"prompt":"q"', /clinic\.jsonl:2/],
    ['a member twice', '{"prompt":"a","prompt":"b","expect":{"equals":"x"}}', /clinic\.jsonl:2/],
    ['no expectation', { prompt: 'q' }, /clinic\.jsonl:2/],
    ['two expectations', { prompt: 'q', expect: { equals: 'a', contains: 'b' } }, /:2/],
    ['a prompt and messages', { prompt: 'q', messages: [], expect: { equals: 'a' } }, /:2/],
    ['an unknown field', { prompt: 'q', expext: {}, expect: { equals: 'a' } }, /:2/],
    ['a label that is not offered', { prompt: 'q', expect: { choice: 'Z', of: ['A', 'B'] } }, /:2/],
    ['a weight of nothing', { prompt: 'q', weight: 0, expect: { equals: 'a' } }, /:2/],
    ['an invalid regular expression', { prompt: 'q', expect: { matches: '(' } }, /:2/],
    [
      'a schema that refers to itself',
      { prompt: 'q', expect: { jsonSchema: { $ref: '#' } } },
      /:2/,
    ],
    ['documents for a chat', { query: 'q', documents: ['a', 'b'], expect: { nearest: 'a' } }, /:2/],
    [
      'similar without an embedding model',
      { prompt: 'q', expect: { similar: 'a', atLeast: 0.5 } },
      /:2/,
    ],
    [
      'a prompt that is too long',
      { prompt: 'q'.repeat(MAX_QUESTION_BYTES), expect: { equals: 'a' } },
      /:2/,
    ],
  ])('%s', async (_, line, where) => {
    const good = { prompt: 'q', expect: { equals: 'a' } };
    const error = await expectCode(async () => read([good, line]), 'document-invalid');
    expect([error.message, error.found, ...error.defects].join('\n')).toMatch(where);
  });

  it('a role for completions, and a prompt for embeddings', async () => {
    const roles = { messages: [{ role: 'system', content: 's' }], expect: { equals: 'a' } };
    await expectCode(
      async () => read([roles], { name: 'x', api: 'completions' }),
      'document-invalid',
    );
    const prompt = { prompt: 'q', expect: { equals: 'a' } };
    await expectCode(async () => read([prompt], { name: 'x', api: 'rerank' }), 'document-invalid');
  });

  it('a file without questions, one with too many, and one that is not text', async () => {
    await expectCode(async () => read(['', ' ']), 'document-invalid');
    const many = Array.from(
      { length: MAX_QUESTIONS + 1 },
      () => '{"prompt":"q","expect":{"equals":"a"}}',
    );
    await expectCode(async () => read(many), 'document-invalid');
    await expectCode(
      async () => readQuestions(Buffer.from([0xff, 0xfe]), 'x.jsonl', chat),
      'document-invalid',
    );
  });
});
