import { StowageError } from '../core/error.ts';
import { fieldsOf, listOf } from '../core/json.ts';
import type { Defect } from '../format/defect.ts';
import { isRegistrySource, localImageOf } from '../format/source.ts';
import { referenceIn } from '../source/oci-model.ts';
import { parseReference } from '../source/reference.ts';
import { sourcesIn } from './local-paths.ts';

/**
 * The references of a manifest to images and to models in registries that no registry would be asked for.
 * @param manifest its fields may have any type: the schema reports those that are wrong
 */
export function referenceDefects(manifest: unknown): Defect[] {
  const { images, models } = fieldsOf(manifest);
  const defects = (section: string, list: unknown): Defect[] =>
    listOf(list).flatMap((item, index) =>
      sourcesIn(item).flatMap(({ text: source, path }): Defect[] => {
        if (source === '') return [];
        if (section === 'models' ? !isRegistrySource(source) : localImageOf(source)) return [];
        const message = defectOf(section === 'models' ? referenceIn(source) : source);
        return message === undefined ? [] : [{ path: [section, index, ...path], message }];
      }),
    );
  return [...defects('models', models), ...defects('images', images)];
}

function defectOf(source: string): string | undefined {
  const scheme = /^([a-z][a-z+-]*):\/\//.exec(source);
  if (scheme !== null)
    return `expected a reference without ${scheme[0]}, such as ${source.slice(scheme[0].length, 200)}`;
  try {
    parseReference(source);
    return undefined;
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    return `expected ${error.expected}; found ${error.found}`;
  }
}
