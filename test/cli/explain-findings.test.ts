import { describe, expect, it } from 'vitest';
import { explainedText, explainFindings, findingLines } from '../../src/cli/explain-findings.ts';
import { digestOf } from '../../src/core/digest.ts';
import { explanations } from '../../src/examine/explain.ts';
import type { Finding } from '../../src/format/finding.ts';

const digest = digestOf(Buffer.from('a'));
const findings: readonly Finding[] = [
  {
    source: 'tiny',
    file: 'a.json',
    rule: 'chat-template',
    severity: 'note',
    message: 'a template',
    digest,
  },
  { source: 'tiny', file: 'a.py', rule: 'remote-code', severity: 'warning', message: 'code' },
  { source: 'tiny', file: 'b.py', rule: 'remote-code', severity: 'warning', message: 'code' },
  {
    source: 'tiny',
    file: 'x.bin',
    rule: 'pickle',
    severity: 'refusal',
    message: 'a pickle',
    allowed: 'looked at',
  },
  {
    source: 'llm',
    file: '*',
    rule: 'asset-model',
    severity: 'warning',
    message: '--model names a/b',
    offer: 'models:\n  - name: b\n',
  },
];

describe('when findings are explained', () => {
  it('groups them by source, most severe first, and explains each rule once', () => {
    expect(explainedText(findings)).toEqual([
      '',
      'llm',
      `  warning asset-model: ${explanations['asset-model'].why}`,
      `    what to do: ${explanations['asset-model'].remedy}`,
      '    *: --model names a/b',
      '      for the manifest:',
      '        models:',
      '          - name: b',
      '',
      'tiny',
      `  allowed pickle: ${explanations.pickle.why}`,
      `    what to do: ${explanations.pickle.remedy}`,
      '    x.bin: a pickle',
      '      allowed by the manifest: looked at',
      `  warning remote-code: ${explanations['remote-code'].why}`,
      `    what to do: ${explanations['remote-code'].remedy}`,
      '    a.py: code',
      '    b.py: code',
      `  note chat-template: ${explanations['chat-template'].why}`,
      `    what to do: ${explanations['chat-template'].remedy}`,
      '    a.json: a template',
      `      ${digest}`,
    ]);
    expect(explainedText([])).toEqual(['', 'no findings']);
  });

  it('returns the same as data', () => {
    const [first] = explainFindings(findings);
    expect(first).toEqual({ ...findings[4], ...explanations['asset-model'] });
  });

  it('only counts notes by default', () => {
    const lines = findingLines(findings);
    expect(lines).toHaveLength(5);
    expect(lines.at(-1)).toBe(
      '  5 findings, 1 of them a note; run stowage lock --explain for details',
    );
    expect(lines.join()).toContain('allowed: tiny x.bin');
    expect(findingLines([])).toEqual([]);
  });

  it.each([
    [0, 1, '1 note'],
    [0, 2, '2 notes'],
    [1, 0, '1 finding'],
    [2, 0, '2 findings'],
    [1, 1, '2 findings, 1 of them a note'],
    [1, 2, '3 findings, 2 of them notes'],
  ])('counts %i to act on and %i notes', (others, notes, expected) => {
    const of = (severity: Finding['severity'], count: number): Finding[] =>
      findings
        .filter((each) => each.severity === severity)
        .flatMap((each) => Array.from({ length: count }, () => each))
        .slice(0, count);
    const lines = findingLines([...of('warning', others), ...of('note', notes)]);
    expect(lines.at(-1)).toBe(`  ${expected}; run stowage lock --explain for details`);
  });
});
