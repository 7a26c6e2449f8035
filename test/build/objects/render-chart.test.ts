import { describe, expect, it } from 'vitest';
import type { ChartFiles } from '../../../src/build/objects/chart-files.ts';
import { withoutLookup } from '../../../src/build/objects/render-chart.ts';

/** What becomes of one file of a chart. */
function changed(text: string, path = 'templates/a.yaml'): string {
  const files = new Map([[path, Buffer.from(text)]]);
  const chart: ChartFiles = { metadata: { name: 'a', version: '1.0.0' }, config: {}, files };
  return withoutLookup(chart).files.get(path)?.toString() ?? '';
}

describe('when templates must not ask the cluster', () => {
  it.each([
    ['a call', 'a: {{ lookup "v1" "Secret" "a" "b" }}', 'a: {{ fail "v1" "Secret" "a" "b" }}'],
    ['two calls', '{{ lookup 1 }}{{ x (lookup 2) }}', '{{ fail 1 }}{{ x (fail 2) }}'],
    ['a text around an action', 'x: "{{ lookup 1 }}"', 'x: "{{ fail 1 }}"'],
    ['a call after a text with }}', '{{ f "}}" (lookup 1) }}', '{{ f "}}" (fail 1) }}'],
    ['a call after a raw text', '{{ f `a"}}` (lookup 1) }}', '{{ f `a"}}` (fail 1) }}'],
    ['a call after a comment', `{{/* it's "a */}}{{ lookup 1 }}`, `{{/* it's "a */}}{{ fail 1 }}`],
  ])('has fail in place of %s', (_, text, expected) => {
    expect(changed(text)).toBe(expected);
  });

  it.each([
    ['plain text', 'lookup: {{ .Values.x }} lookup'],
    ['a text in an action', '{{ f "lookup" `lookup` }}'],
    ['a field or another name', '{{ .Values.lookup }}{{ $lookup }}{{ lookups }}{{ my-lookup }}'],
    ['an action without an end', '{{ .x }}{{ "'],
    ['nothing', ''],
  ])('leaves %s alone', (_, text) => {
    expect(changed(text)).toBe(text);
  });

  it('leaves files that are no templates alone', () => {
    expect(changed('{{ lookup 1 }}', 'files/a.yaml')).toBe('{{ lookup 1 }}');
  });

  it.each([
    ['beginnings of actions', '{{'],
    ['beginnings of comments', '{{ /*'],
    ['texts without an end', '{{ "\\"'],
    ['raw texts without an end', '{{ `'],
  ])('reads each byte of many %s once', (_, text) => {
    const many = text.repeat(300_000);
    expect(changed(many)).toBe(many);
  });
});
