import { StowageError } from '../../core/error.ts';
import type { Parameter } from '../../format/deployment.ts';
import type { ParameterValue, Site } from '../../format/site.ts';

/**
 * The values of a release's parameters at a site, or their defaults.
 * @throws StowageError `site-invalid` listing every value that is missing, unknown or of another type
 */
export function parameterValues(
  release: string,
  parameters: Readonly<Record<string, Parameter>>,
  site: Site,
): ReadonlyMap<string, ParameterValue> {
  const given = Object.hasOwn(site.parameters, release) ? (site.parameters[release] ?? {}) : {};
  const values = new Map<string, ParameterValue>();
  const defects: string[] = [];
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(parameters, name))
      defects.push(`parameters.${release}.${name}: the release has no such parameter`);
  }
  for (const [name, parameter] of Object.entries(parameters)) {
    const value = Object.hasOwn(given, name) ? given[name] : parameter.default;
    if (value === undefined)
      defects.push(
        `parameters.${release}.${name}: no value, and no default (${parameter.description})`,
      );
    else if (!isOfType(value, parameter.type)) {
      defects.push(
        `parameters.${release}.${name}: expected ${parameter.type}, found ${JSON.stringify(value)}`,
      );
    } else values.set(name, value);
  }
  if (defects.length === 0) return values;
  throw new StowageError('site-invalid', `site.yaml does not fit release ${release}`, {
    expected: 'a value of the right type for each parameter of the release',
    found: defects[0] ?? '',
    hint: `set them in site.yaml under parameters.${release}`,
    defects,
  });
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
