import { type Fields, fieldsOf, listOf, textsOf } from '../../../core/json.ts';

/** The most that is said of one definition. */
const MAX_FOUND = 50;
/** Keywords whose values may only get smaller, and larger. */
const LOWER_BOUNDS = ['minimum', 'minLength', 'minItems', 'minProperties'] as const;
const UPPER_BOUNDS = ['maximum', 'maxLength', 'maxItems', 'maxProperties'] as const;
/** Keywords that constrain a value, and of which two texts cannot be compared. */
const OPAQUE = [
  ...['pattern', 'format', 'multipleOf', 'allOf', 'anyOf', 'oneOf', 'not'],
  ...['exclusiveMinimum', 'exclusiveMaximum', 'uniqueItems'],
  // `set` and `map` refuse entries that an `atomic` list has twice.
  ...['x-kubernetes-list-type', 'x-kubernetes-list-map-keys'],
] as const;

/**
 * What a definition no longer accepts that it accepted before: versions that are gone, and in every other version each field
 * and value. Objects that exist may then be invalid, or lose fields. Pure.
 * @param before and after: of kind `CustomResourceDefinition`
 */
export function narrowings(before: object, after: object): string[] {
  const found: string[] = [];
  const [old, next] = [specOf(before), specOf(after)];
  const scope = (spec: Fields): string => String(spec['scope'] ?? 'Namespaced');
  if (scope(old) !== scope(next)) found.push(`scope changes from ${scope(old)} to ${scope(next)}`);
  const versions = listOf(next['versions']);
  for (const version of listOf(old['versions'])) {
    if (version['served'] === false) continue;
    const name = String(version['name']);
    const same = versions.find((each) => each['name'] === version['name']);
    if (same === undefined) found.push(`version ${name} is removed`);
    else if (same['served'] === false) found.push(`version ${name} is not served anymore`);
    else compare(schemaOf(version), schemaOf(same), `${name}:`, found);
  }
  return found.slice(0, MAX_FOUND);
}

function specOf(definition: object): Fields {
  return fieldsOf(fieldsOf(definition)['spec']);
}

function schemaOf(version: Fields): Fields {
  return fieldsOf(fieldsOf(version['schema'])['openAPIV3Schema']);
}

function compare(before: Fields, after: Fields, path: string, found: string[]): void {
  if (found.length >= MAX_FOUND) return;
  const at = path.endsWith(':') ? `${path} the object` : path;
  const isWider = before['type'] === 'integer' && after['type'] === 'number';
  if (before['type'] !== after['type'] && after['type'] !== undefined && !isWider)
    found.push(
      `${at} is of type ${String(after['type'])} instead of ${String(before['type'] ?? 'any')}`,
    );
  compareValues(before, after, at, found);
  compareFields(before, after, path, found);
  const [items, next] = [fieldsOf(before['items']), fieldsOf(after['items'])];
  if (after['items'] !== undefined) compare(items, next, `${path}[]`, found);
}

function compareValues(before: Fields, after: Fields, at: string, found: string[]): void {
  const allowed = textsOf(after['enum']);
  const gone = textsOf(before['enum']).filter((each) => !allowed.includes(each));
  if (after['enum'] !== undefined && before['enum'] === undefined)
    found.push(`${at} accepts only ${allowed.join(', ')}`);
  else if (after['enum'] !== undefined && gone.length > 0)
    found.push(`${at} does not accept ${gone.join(', ')} anymore`);
  for (const name of LOWER_BOUNDS)
    if (
      Number(after[name] ?? Number.NEGATIVE_INFINITY) >
      Number(before[name] ?? Number.NEGATIVE_INFINITY)
    )
      found.push(`${at} has ${name} ${String(after[name])}`);
  for (const name of UPPER_BOUNDS)
    if (
      Number(after[name] ?? Number.POSITIVE_INFINITY) <
      Number(before[name] ?? Number.POSITIVE_INFINITY)
    )
      found.push(`${at} has ${name} ${String(after[name])}`);
  for (const name of OPAQUE)
    if (after[name] !== undefined && JSON.stringify(after[name]) !== JSON.stringify(before[name]))
      found.push(`${at} has another ${name}`);
  if (before['nullable'] === true && after['nullable'] !== true)
    found.push(`${at} cannot be null anymore`);
  const rules = (each: Fields): string[] =>
    listOf(each['x-kubernetes-validations']).map(({ rule }) => String(rule));
  const added = rules(after).filter((each) => !rules(before).includes(each));
  if (added.length > 0) found.push(`${at} has a new rule: ${added[0]}`);
}

function compareFields(before: Fields, after: Fields, path: string, found: string[]): void {
  const [old, next] = [fieldsOf(before['properties']), fieldsOf(after['properties'])];
  const keeps = (each: Fields): boolean =>
    each['x-kubernetes-preserve-unknown-fields'] === true ||
    (each['additionalProperties'] !== undefined && each['additionalProperties'] !== false);
  const at = (name: string): string => (path.endsWith(':') ? `${path} ${name}` : `${path}.${name}`);
  for (const [name, schema] of Object.entries(old)) {
    if (next[name] !== undefined) compare(fieldsOf(schema), fieldsOf(next[name]), at(name), found);
    else if (!keeps(after)) found.push(`field ${at(name)} is removed`);
  }
  const where = path.endsWith(':') ? `${path} the object` : path;
  if (keeps(before) && !keeps(after)) found.push(`${where} does not keep other fields anymore`);
  const [values, others] = [before['additionalProperties'], after['additionalProperties']];
  if (typeof values === 'object' && typeof others === 'object')
    compare(fieldsOf(values), fieldsOf(others), `${path}.*`, found);
  const required = textsOf(before['required']);
  // A new field with a default is never missing.
  const missing = textsOf(after['required']).filter(
    (name) => !required.includes(name) && fieldsOf(next[name])['default'] === undefined,
  );
  for (const name of missing) found.push(`field ${at(name)} is required`);
}
