import * as z from 'zod';
import { messageOf } from '../core/error.ts';

/** A JSON Schema as a manifest writes it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** The supported keywords, by the type of value that they apply to: zod would silently ignore any other. */
const keywords: Readonly<Record<string, readonly string[]>> = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'minItems', 'maxItems'],
  string: ['pattern', 'minLength', 'maxLength', 'format'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
};
const always = ['$schema', 'type', 'enum', 'const', 'anyOf', 'title', 'description'];
const MAX_DEPTH = 16;

/** Why a schema cannot be used, for a message; undefined if all its keywords are supported. */
export function jsonSchemaDefect(schema: JsonSchema): string | undefined {
  const defect = defectOf(schema, 0);
  if (defect !== undefined) return defect;
  try {
    z.fromJSONSchema({ ...schema });
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Why a schema does not accept a value, for a message; undefined if it does. */
export function jsonSchemaMismatch(schema: JsonSchema, value: unknown): string | undefined {
  const [issue] = z.fromJSONSchema({ ...schema }).safeParse(value).error?.issues ?? [];
  if (issue === undefined) return undefined;
  const path = issue.path.map(String).join('.');
  return path === '' ? issue.message : `${path}: ${issue.message}`;
}

function defectOf(schema: unknown, depth: number): string | undefined {
  if (depth > MAX_DEPTH) return `schemas are nested deeper than ${MAX_DEPTH}`;
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema))
    return 'expected a schema to be an object';
  const members = new Map(Object.entries(schema));
  const types = [members.get('type') ?? []].flat().map(String);
  for (const keyword of members.keys()) {
    if (always.includes(keyword)) continue;
    const kind = Object.keys(keywords).find((each) => keywords[each]?.includes(keyword));
    if (kind === undefined) return `keyword ${keyword} is not supported`;
    const fits =
      types.length === 1 && types.every((each) => each.replace('integer', 'number') === kind);
    if (!fits) return `keyword ${keyword} requires type ${kind}`;
  }
  const properties = members.get('properties') ?? {};
  if (typeof properties !== 'object' || properties === null)
    return 'expected properties to be an object';
  const required = members.get('required') ?? [];
  if (!Array.isArray(required)) return 'expected required to be a list';
  const unknown = required.find((name) => !Object.hasOwn(properties, String(name)));
  if (unknown !== undefined) return `required names ${String(unknown)}, which properties lacks`;
  const additional = members.get('additionalProperties');
  const choices = members.get('anyOf') ?? [];
  if (!Array.isArray(choices)) return 'expected anyOf to be a list';
  const parts = [
    ...Object.values(properties),
    ...choices,
    ...(typeof additional === 'boolean' || additional === undefined ? [] : [additional]),
    ...(members.has('items') ? [members.get('items')] : []),
  ];
  for (const part of parts) {
    const defect = defectOf(part, depth + 1);
    if (defect !== undefined) return defect;
  }
  return undefined;
}
