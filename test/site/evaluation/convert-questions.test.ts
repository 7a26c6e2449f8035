import { describe, expect, it } from 'vitest';
import { readQuestions } from '../../../src/format/question.ts';
import { convertQuestions, formatOf } from '../../../src/site/evaluation/convert-questions.ts';
import { expectCode } from '../../support/error.ts';

const convert = (
  sample: unknown,
  format: 'lm-eval' | 'openai',
  expected: 'equals' | 'contains' = 'contains',
): unknown => {
  const bytes = Buffer.from(`${JSON.stringify(sample)}\n`);
  const [line = ''] = convertQuestions(bytes, 'samples.jsonl', { format, expect: expected });
  // What is converted is a question.
  readQuestions(Buffer.from(line), 'converted.jsonl', { name: 'x', api: 'chat' });
  return JSON.parse(line) as unknown;
};

/** As lm-evaluation-harness 0.4 writes samples. */
const pair = (prompt: string, continuation: unknown): object => ({
  arg_0: prompt,
  arg_1: continuation,
});

describe('samples of lm-evaluation-harness', () => {
  it.each<readonly [string, unknown, unknown]>([
    [
      'that generate, as gsm8k',
      {
        doc_id: 3,
        target: ' 42',
        arguments: { gen_args_0: pair('What is 6 times 7?', { until: ['\n'] }) },
      },
      { id: 'doc 3', prompt: 'What is 6 times 7?', expect: { contains: '42' } },
    ],
    [
      'with the labels in the prompt, as mmlu',
      {
        doc_id: 0,
        target: '1',
        arguments: {
          gen_args_0: pair('Q\nA. x\nB. y\nAnswer:', ' A'),
          gen_args_1: pair('Q\nA. x\nB. y\nAnswer:', ' B'),
        },
      },
      { id: 'doc 0', prompt: 'Q\nA. x\nB. y\nAnswer:', expect: { choice: 'B', of: ['A', 'B'] } },
    ],
    [
      'with texts as choices, as arc_easy, as pairs of an older version',
      {
        doc_id: 1,
        target: 0,
        arguments: [
          ['Q:', ' the sun'],
          ['Q:', ' the moon'],
        ],
      },
      {
        id: 'doc 1',
        prompt: 'Q:\nA. the sun\nB. the moon\nAnswer with the letter alone.',
        expect: { choice: 'A', of: ['A', 'B'] },
      },
    ],
  ])('%s', (_, sample, question) => {
    expect(formatOf(Buffer.from(JSON.stringify(sample)), 'x')).toBe('lm-eval');
    expect(convert(sample, 'lm-eval')).toEqual(question);
  });
});

describe('samples of OpenAI evals', () => {
  const input = [
    { role: 'system', content: 'be brief' },
    { role: 'user', content: 'capital of France?' },
  ];

  it.each<readonly [unknown, 'equals' | 'contains', unknown]>([
    [{ input, ideal: 'Paris' }, 'contains', { messages: input, expect: { contains: 'Paris' } }],
    [{ input, ideal: ['Paris'] }, 'equals', { messages: input, expect: { equals: 'Paris' } }],
    [
      { input: 'q', ideal: ['a.b', 'c'] },
      'contains',
      { prompt: 'q', expect: { matches: '(?:a\\.b|c)' } },
    ],
    [
      { input: 'q', ideal: ['a', 'b'] },
      'equals',
      { prompt: 'q', expect: { matches: '^\\s*(?:a|b)\\s*$' } },
    ],
  ])('%j, with %s', (sample, expected, question) => {
    expect(formatOf(Buffer.from(JSON.stringify(sample)), 'x')).toBe('openai');
    expect(convert(sample, 'openai', expected)).toEqual(question);
  });
});

describe('a sample that cannot be converted is refused with its line', () => {
  it.each<readonly ['lm-eval' | 'openai', unknown]>([
    ['openai', { input: 'q' }],
    ['openai', { input: [{ role: 'tool', content: 'x' }], ideal: 'a' }],
    ['openai', { input: [], ideal: 'a' }],
    ['openai', 'text'],
    ['lm-eval', { target: 'a', arguments: {} }],
    ['lm-eval', { target: 'a', arguments: [[1, 2]] }],
    ['lm-eval', { target: { a: 1 }, arguments: [['q', {}]] }],
    [
      'lm-eval',
      {
        target: 5,
        arguments: [
          ['q', ' a'],
          ['q', ' b'],
        ],
      },
    ],
  ])('%s %j', async (format, sample) => {
    const error = await expectCode(async () => convert(sample, format), 'document-invalid');
    expect(error.message).toContain('samples.jsonl:1');
  });

  it('and a file of neither is known as neither', () => {
    expect(formatOf(Buffer.from('{"question":"q"}'), 'x')).toBeUndefined();
    expect(formatOf(Buffer.from(''), 'x')).toBeUndefined();
  });
});
