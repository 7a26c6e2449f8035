import { describe, expect, it } from 'vitest';
import { jsonSchemaDefect, jsonSchemaMismatch } from '../../src/format/json-schema.ts';

describe('when a manifest gives a JSON Schema', () => {
  it.each([
    [{ type: 'object', properties: { a: { type: 'string' } }, required: ['a'] }],
    [{ type: 'array', items: { type: 'integer', minimum: 1 }, minItems: 2 }],
    [{ enum: ['yes', 'no'] }],
    [{ anyOf: [{ type: 'null' }, { type: 'number', exclusiveMinimum: 0 }] }],
    [{ type: 'object', properties: {}, additionalProperties: { type: 'boolean' } }],
    [{ $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'string', title: 'x' }],
  ])('takes %j', (schema) => {
    expect(jsonSchemaDefect(schema)).toBeUndefined();
  });

  const deep = (levels: number): object =>
    levels === 0 ? { type: 'null' } : { type: 'array', items: deep(levels - 1) };

  it.each([
    [{ type: 'strnig' }, 'strnig'],
    [{ typ: 'string' }, 'keyword typ is not supported'],
    [{ $ref: 'http://example/x' }, 'keyword $ref is not supported'],
    [{ if: {}, else: {} }, 'keyword if is not supported'],
    [{ not: { type: 'string' } }, 'keyword not is not supported'],
    [{ pattern: '^x' }, 'keyword pattern requires type string'],
    [{ type: 'object', minimum: 1 }, 'keyword minimum requires type number'],
    [{ required: ['a'] }, 'keyword required requires type object'],
    [{ type: 'object', required: ['a'] }, 'required names a, which properties lacks'],
    [{ type: 'object', required: 'a' }, 'expected required to be a list'],
    [{ type: 'object', properties: { a: 1 } }, 'expected a schema to be an object'],
    [{ type: 'object', properties: { a: { typ: 1 } } }, 'keyword typ is not supported'],
    [{ anyOf: [{ foo: 1 }] }, 'keyword foo is not supported'],
    [{ type: 'array', items: true }, 'expected a schema to be an object'],
    [{ type: 'string', pattern: '(' }, 'Invalid regular expression'],
    [deep(20) as Record<string, unknown>, 'schemas are nested deeper than 16'],
  ])('refuses %j', (schema, defect) => {
    expect(jsonSchemaDefect(schema)).toContain(defect);
  });
});

describe('when a value is checked against it', () => {
  it.each([
    [{ type: 'integer' }, 3, undefined],
    [{ type: 'integer' }, 3.5, /./],
    [{ type: ['string', 'null'] }, null, undefined],
    [{ type: 'array', items: { type: 'string' } }, ['a', 1], /^1: /],
    [{ enum: ['yes', 'no'] }, 'maybe', /yes/],
  ])('%j and %j', (schema, value, mismatch) => {
    const found = jsonSchemaMismatch(schema, value);
    if (mismatch === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(mismatch);
  });
});
