import { describe, expect, it } from 'vitest';
import { narrowings } from '../../../../src/target/kubernetes/objects/narrowing.ts';

/** A definition with one version that has these properties in its `spec`. */
const definition = (spec: object, more: object = {}): object => ({
  spec: {
    scope: 'Namespaced',
    versions: [version('v1', { type: 'object', properties: { spec } })],
    ...more,
  },
});

const version = (name: string, schema: object, more: object = {}): object => ({
  ...{ name, served: true, storage: true, schema: { openAPIV3Schema: schema } },
  ...more,
});

const object = (properties: object, more: object = {}): object => ({
  ...{ type: 'object', properties },
  ...more,
});

describe('when a definition changes', () => {
  it.each([
    ['nothing', object({ a: { type: 'string' } }), object({ a: { type: 'string' } })],
    ['a new field', object({}), object({ a: { type: 'string' } })],
    ['a text about it', object({}), object({}, { description: 'what it is' })],
    ['a value more', object({ a: { enum: ['x'] } }), object({ a: { enum: ['x', 'y'] } })],
    ['a wider bound', object({ a: { maximum: 5 } }), object({ a: { maximum: 6 } })],
    ['a bound less', object({ a: { pattern: 'x' } }), object({ a: {} })],
    ['a field less that must be there', object({ a: {} }, { required: ['a'] }), object({ a: {} })],
    [
      'a field that must be there and has a default',
      object({ a: {} }),
      object({ a: { default: 1 } }, { required: ['a'] }),
    ],
    [
      'a field less where others are kept',
      object({ a: {} }),
      object({}, { 'x-kubernetes-preserve-unknown-fields': true }),
    ],
    [
      'any number in place of a whole one',
      object({ a: { type: 'integer' } }),
      object({ a: { type: 'number' } }),
    ],
    ['a type that may be anything', object({ a: { type: 'string' } }), object({ a: {} })],
  ])('accepts %s', (_, before, after) => {
    expect(narrowings(definition(before), definition(after))).toEqual([]);
  });

  it.each([
    ['field v1: spec.a is removed', object({ a: {} }), object({})],
    ['field v1: spec.a.b is removed', object({ a: object({ b: {} }) }), object({ a: object({}) })],
    [
      'field v1: spec.a[].b is removed',
      object({ a: { type: 'array', items: object({ b: {} }) } }),
      object({ a: { type: 'array', items: object({}) } }),
    ],
    [
      'v1: spec.a is of type integer instead of string',
      object({ a: { type: 'string' } }),
      object({ a: { type: 'integer' } }),
    ],
    ['field v1: spec.a is required', object({ a: {} }), object({ a: {} }, { required: ['a'] })],
    [
      'v1: spec.a does not accept y anymore',
      object({ a: { enum: ['x', 'y'] } }),
      object({ a: { enum: ['x'] } }),
    ],
    ['v1: spec.a accepts only x', object({ a: {} }), object({ a: { enum: ['x'] } })],
    ['v1: spec.a has maximum 4', object({ a: { maximum: 5 } }), object({ a: { maximum: 4 } })],
    ['v1: spec.a has minLength 1', object({ a: {} }), object({ a: { minLength: 1 } })],
    [
      'v1: spec.a has another pattern',
      object({ a: { pattern: 'x' } }),
      object({ a: { pattern: 'y' } }),
    ],
    [
      'v1: spec.a has another x-kubernetes-list-type',
      object({ a: { type: 'array' } }),
      object({ a: { type: 'array', 'x-kubernetes-list-type': 'set' } }),
    ],
    [
      'v1: spec.a has another exclusiveMinimum',
      object({ a: { minimum: 0 } }),
      object({ a: { minimum: 0, exclusiveMinimum: true } }),
    ],
    ['v1: spec.a cannot be null anymore', object({ a: { nullable: true } }), object({ a: {} })],
    [
      'v1: spec.a has a new rule: self > 1',
      object({ a: {} }),
      object({ a: { 'x-kubernetes-validations': [{ rule: 'self > 1' }] } }),
    ],
    [
      'v1: spec.a does not keep other fields anymore',
      object({ a: { 'x-kubernetes-preserve-unknown-fields': true } }),
      object({ a: {} }),
    ],
    [
      'v1: spec.a.* is of type integer instead of string',
      object({ a: { additionalProperties: { type: 'string' } } }),
      object({ a: { additionalProperties: { type: 'integer' } } }),
    ],
  ])('says that %s', (expected, before, after) => {
    expect(narrowings(definition(before), definition(after))).toEqual([expected]);
  });

  it('names versions that are gone or not served, and another scope', () => {
    const both = definition({}, { versions: [version('v1', {}), version('v2', {})] });
    const one = { versions: [version('v2', {})] };
    expect(narrowings(both, definition({}, one))).toEqual(['version v1 is removed']);
    const off = { versions: [version('v1', {}, { served: false }), version('v2', {})] };
    expect(narrowings(both, definition({}, off))).toEqual(['version v1 is not served anymore']);
    expect(narrowings(definition({}, off), definition({}, one))).toEqual([]);
    expect(narrowings(definition({}), definition({}, { scope: 'Cluster' }))).toEqual([
      'scope changes from Namespaced to Cluster',
    ]);
  });

  it('ends with what a person can read, however much there is', () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`f${at}`, {}]));
    expect(narrowings(definition(object(many)), definition(object({})))).toHaveLength(50);
  });
});
