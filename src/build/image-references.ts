import { StowageError } from '../core/error.ts';
import { fieldsOf, listOf } from '../core/fields.ts';
import type { Defect } from '../format/defect.ts';
import { parseReference } from '../source/reference.ts';

/**
 * The image references of a manifest that no registry would be asked for.
 * @param manifest its fields may have any type: the schema reports those that are wrong
 */
export function referenceDefects(manifest: unknown): Defect[] {
  return listOf(fieldsOf(manifest)['images']).flatMap(({ source }, index): Defect[] => {
    if (typeof source !== 'string' || source === '') return [];
    const message = defectOf(source);
    return message === undefined ? [] : [{ path: ['images', index, 'source'], message }];
  });
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
