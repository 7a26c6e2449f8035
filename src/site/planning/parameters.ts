import { nearest } from '../../core/text.ts';
import type { Defect } from '../../format/defect.ts';
import type { Parameter } from '../../format/deployment.ts';
import type { ParameterValue, Site } from '../../format/site.ts';

/** Each parameter of a release whose value at a site is missing or of another type, and each value of no parameter. */
export function parameterDefects(
  release: string,
  parameters: Readonly<Record<string, Parameter>>,
  site: Pick<Site, 'parameters'>,
): Defect[] {
  const given = valuesOf(release, site);
  const open = Object.keys(parameters).filter((name) => !Object.hasOwn(given, name));
  const unknown = Object.keys(given)
    .filter((name) => !Object.hasOwn(parameters, name))
    .map((name): Defect => {
      const meant = nearest(name, open);
      return {
        path: ['parameters', release, name],
        message: `the release has no such parameter${meant === undefined ? '' : `; did you mean ${meant}?`}`,
        atKey: true,
      };
    });
  const wrong = Object.entries(parameters).flatMap(([name, parameter]): Defect[] => {
    const value = Object.hasOwn(given, name) ? given[name] : parameter.default;
    const path = ['parameters', release, name];
    if (value === undefined)
      return [{ path, message: `no value, and no default (${parameter.description})` }];
    if (isOfType(value, parameter.type)) return [];
    return [{ path, message: `expected ${parameter.type}, found ${JSON.stringify(value)}` }];
  });
  return [...unknown, ...wrong];
}

/** The values of a release's parameters at a site without {@link parameterDefects}, or their defaults. */
export function parameterValues(
  release: string,
  parameters: Readonly<Record<string, Parameter>>,
  site: Pick<Site, 'parameters'>,
): ReadonlyMap<string, ParameterValue> {
  const given = valuesOf(release, site);
  return new Map(
    Object.entries(parameters).map(([name, { default: value }]) => {
      const set = Object.hasOwn(given, name) ? given[name] : value;
      if (set === undefined) throw new Error(`parameter ${name} was checked but has no value`);
      return [name, set];
    }),
  );
}

function valuesOf(
  release: string,
  { parameters }: Pick<Site, 'parameters'>,
): Readonly<Record<string, ParameterValue>> {
  return Object.hasOwn(parameters, release) ? (parameters[release] ?? {}) : {};
}

function isOfType(value: ParameterValue, type: Parameter['type']): boolean {
  return type === 'integer' ? Number.isSafeInteger(value) : typeof value === type;
}

/** A text with each `${parameters.NAME}` replaced by its value; names were checked when the manifest was read. */
export function fillTemplate(text: string, values: ReadonlyMap<string, ParameterValue>): string {
  return text.replace(/\$\{parameters\.([a-zA-Z0-9]+)\}/g, (whole, name: string) => {
    const value = values.get(name);
    return value === undefined ? whole : String(value);
  });
}
