import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  RULES_VERSION,
  type Verdict,
  verdictFromJson,
  verdictToJson,
} from '../../src/examine/verdict.ts';

describe('when a verdict is recorded', () => {
  const reports = [{ rule: 'pickle', detail: 'a pickle', extra: { offer: 'x' } }] as const;
  it.each<[string, Verdict]>([
    ['nothing', { reports: [], weights: {}, unsearched: false }],
    [
      'ONNX',
      { reports, unsearched: false, weights: { external: new Map([['m.onnx_data', 512]]) } },
    ],
    ['safetensors', { reports, unsearched: true, weights: { tensors: new Map([['a', 4]]) } }],
    [
      'a GGUF file',
      {
        reports,
        unsearched: true,
        weights: {
          gguf: { tensors: 3, texts: new Map(), numbers: new Map([['split.count', 2n ** 63n]]) },
        },
      },
    ],
  ])('is read as it was written: %s', (_, verdict) => {
    expect(verdictFromJson(JSON.parse(JSON.stringify(verdictToJson(verdict))))).toEqual(verdict);
  });
});

describe('when the rules that judge content change', () => {
  const FILES = [
    ...['bytes', 'chat-template', 'compressed', 'content-kind', 'examine-content', 'gguf-head'],
    ...['gguf', 'external', 'literal-search', 'onnx', 'pickle-machine', 'pickle'],
    ...['safetensors-header', 'safetensors', 'secrets', 'stand-in', 'tar', 'zip'],
  ];

  // If this fails: raise RULES_VERSION if a file can now have other findings, and write the new hash here.
  it('their version is raised', () => {
    const hash = createHash('sha256');
    for (const name of FILES) hash.update(readFileSync(`src/examine/${name}.ts`));
    expect(`${RULES_VERSION} ${hash.digest('hex').slice(0, 16)}`).toBe('3 8f8b4657d5067186');
  });
});
