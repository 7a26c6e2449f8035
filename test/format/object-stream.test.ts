import { describe, expect, it } from 'vitest';
import { readObjectStream, readYamlObject } from '../../src/format/object-stream.ts';

describe('when a stream of objects is read as kubectl and Helm read it', () => {
  it.each([
    ['an octal number of YAML 1.1', '0644', 420],
    ['an octal number of YAML 1.2', '0o644', 420],
    ['yes', 'yes', true],
    ['off', 'off', false],
    ['a text in quotes', '"0644"', '0644'],
    ['a time', '12:30:45', '12:30:45'],
    ['a date', '2026-11-29', '2026-11-29'],
    ['nothing', '', null],
    ['a large number', '9007199254740991', 9_007_199_254_740_991],
  ])('%s', (_, text, value) => {
    expect(readYamlObject(`a: ${text}\n`)).toEqual({ a: value });
  });

  it('names the file of each object, also where it begins with ---', () => {
    const text =
      '---\n# Source: demo/templates/a.yaml\nkind: A\n---\n# Source: demo/templates/b.yaml\n---\nkind: B\n---\n';
    expect(readObjectStream(text)).toEqual([
      { object: { kind: 'A' }, source: 'demo/templates/a.yaml' },
      { object: { kind: 'B' }, source: 'demo/templates/b.yaml' },
    ]);
  });

  it('has the items of a list for themselves', () => {
    const text = 'kind: List\nitems:\n- kind: A\n- kind: PodList\n  items: [{ kind: Pod }]\n';
    expect(readObjectStream(text).map(({ object }) => object['kind'])).toEqual(['A', 'Pod']);
  });

  it.each([
    ['a text', 'just text'],
    ['a list', '[1, 2]'],
    ['a key twice', 'a: 1\na: 2'],
    ['an alias without an anchor', 'a: *b'],
    ['a number that JSON readers change', 'a: 9007199254740993'],
    ['infinity', 'a: .inf'],
    ['broken YAML', 'a: ['],
    ['a list in lists without end', `a: ${'['.repeat(20_000)}`],
    [
      'more values than a text can have without aliases',
      `a: &a [${'1,'.repeat(4000)}]\nb: [${'*a,'.repeat(600)}]`,
    ],
  ])('refuses %s', (_, text) => {
    expect(() => readObjectStream(text)).toThrow(SyntaxError);
  });

  it.each([
    ['a: [', 1],
    ['a: 1\nb: { c\n', 3],
    ['a: 1\na: 2\n', 2],
    ['---\na: 1\n---\nb: ]\n', 4],
  ])('names the line of the error in %j', (text, line) => {
    expect(() => readObjectStream(text)).toThrow(new RegExp(`at line ${line}, column`));
  });
});
