import { describe, expect, it } from 'vitest';
import { LineCounter } from 'yaml';
import { composeYaml } from '../../src/format/compose-yaml.ts';
import { readObjectStream, readYamlObject } from '../../src/format/object-stream.ts';

const compose = (text: string) =>
  composeYaml(text, { lineCounter: new LineCounter(), parsing: { prettyErrors: false } });

describe('when a text is no YAML', () => {
  it.each([
    ['closing brackets', '}]'],
    ['unknown directives', '%FOO\n'],
    ['two texts in a line', '"a" "b"\n'],
    ['tabs', '\t- a\n'],
    ['one key again and again', 'a: 1\n'],
    ['colons', ': : :\n'],
  ])('is left after hundreds of errors: %s', (_, text) => {
    const { documents, tooMany = [] } = compose(text.repeat(2000));
    expect(documents).toEqual([]);
    expect(tooMany.length).toBeGreaterThanOrEqual(200);
    expect(tooMany.length).toBeLessThan(500);
  });

  it('has the errors of a few as before', () => {
    const { documents, tooMany } = compose('a: 1\nb: 2\na: 3\n');
    expect(tooMany).toBeUndefined();
    expect(documents[0]?.errors.map(({ pos }) => pos[0])).toEqual([10]);
  });

  it('is refused by the line of its first error', () => {
    const bad = `a: 1\n${'"a" "b"\n'.repeat(2000)}`;
    expect(() => readObjectStream(bad)).toThrow(/at line 2, column/);
    expect(() => readYamlObject(bad)).toThrow(/at line 2, column/);
  });

  it('refuses a second document where one is read', () => {
    expect(() => readYamlObject('a: 1\n---\nb: 2\n')).toThrow(/second document at line 2/);
  });
});
