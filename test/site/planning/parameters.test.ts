import { describe, expect, it } from 'vitest';
import type { Parameter } from '../../../src/format/deployment.ts';
import { checkDocument } from '../../../src/format/document.ts';
import { type ParameterValue, type Site, siteKind } from '../../../src/format/site.ts';
import {
  fillTemplate,
  parameterDefects,
  parameterValues,
} from '../../../src/site/planning/parameters.ts';

const parameters: Readonly<Record<string, Parameter>> = {
  port: { type: 'integer', default: 8080, description: 'the port' },
  alias: { type: 'string', description: 'the name' },
  verbose: { type: 'boolean', default: false, description: 'the noise' },
};

function site(values: Record<string, Record<string, unknown>>): Site {
  return checkDocument(siteKind, { apiVersion: 'stowage/v1', name: 'site', parameters: values });
}

describe('when a site gives values', () => {
  const cases: readonly (readonly [string, Record<string, unknown>, Record<string, unknown>])[] = [
    ['the least', { alias: 'a' }, { port: 8080, alias: 'a', verbose: false }],
    ['all of them', { alias: 'a', port: 1, verbose: true }, { port: 1, alias: 'a', verbose: true }],
    ['an empty text', { alias: '' }, { port: 8080, alias: '', verbose: false }],
  ];

  it.each(cases)('takes %s, and defaults for the rest', (_, given, expected) => {
    const values = parameterValues('chat', parameters, site({ chat: given }));
    expect(Object.fromEntries(values)).toEqual(expected);
  });

  const wrong: readonly (readonly [string, Record<string, unknown>, string])[] = [
    ['a missing value', {}, 'chat.alias: no value, and no default (the name)'],
    ['an unknown name', { alias: 'a', extra: 1 }, 'chat.extra: the release has no such parameter'],
    [
      'a misspelt name',
      { alias: 'a', prot: 1 },
      'chat.prot: the release has no such parameter; did you mean port?',
    ],
    ['a text for a number', { alias: 'a', port: '80' }, 'chat.port: expected integer, found "80"'],
    ['a number for a text', { alias: 7 }, 'chat.alias: expected string, found 7'],
    [
      'a text for a switch',
      { alias: 'a', verbose: 'no' },
      'chat.verbose: expected boolean, found "no"',
    ],
  ];
  const defects = (given: Record<string, unknown>): string[] =>
    parameterDefects('chat', parameters, site({ chat: given })).map(
      ({ path, message }) => `${path.slice(1).join('.')}: ${message}`,
    );

  it.each(wrong)('refuses %s', (_, given, defect) => {
    expect(defects(given)).toEqual([defect]);
  });

  it('names every defect at once', () => {
    expect(defects({ port: 'x', extra: 1 })).toHaveLength(3);
  });

  it('ignores inherited properties as names of releases', () => {
    const named: Record<string, Parameter> = {
      name: { type: 'string', default: 'own', description: '' },
    };
    const bare = { ...site({}), parameters: {} };
    expect(parameterValues('constructor', named, bare).get('name')).toBe('own');
  });
});

describe('when a template is filled', () => {
  const values = new Map<string, ParameterValue>([
    ['port', 8080],
    ['tricky', '$& ${parameters.port}'],
    ['on', true],
  ]);
  const cases: readonly (readonly [string, string])[] = [
    ['', ''],
    ['plain', 'plain'],
    ['${parameters.port}', '8080'],
    ['--port=${parameters.port}/${parameters.port}', '--port=8080/8080'],
    ['${parameters.on}', 'true'],
    // A value is text, never a template or a pattern of its own.
    ['<${parameters.tricky}>', '<$& ${parameters.port}>'],
    ['${HOME} $1 ${parameters.unknown}', '${HOME} $1 ${parameters.unknown}'],
  ];

  it.each(cases)('turns %j into %j', (template, expected) => {
    expect(fillTemplate(template, values)).toBe(expected);
  });
});
