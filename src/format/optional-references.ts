import { type Fields, fieldsOf, listOf, textsOf } from '../core/json.ts';
import type { Cause } from './defect.ts';
import { type PartSection, partKinds } from './optional.ts';

type Report = (path: (string | number)[], message: string, ...causes: Cause[]) => void;

/** What one part of a release uses of another, and where it says so. */
interface Use {
  readonly section: PartSection;
  readonly name: unknown;
  readonly path: readonly (string | number)[];
}

/**
 * Checks that what every site has uses nothing that a site can do without, in a manifest or bundle index.
 * @param document its fields may have any type: the schema reports those that are wrong
 */
export function checkOptional(document: Fields, report: Report): void {
  const optional = (section: PartSection, name: unknown): boolean =>
    listOf(document[section]).some(
      (each) => each['name'] === name && each['optional'] !== undefined,
    );
  const check = (who: string, uses: readonly Use[]): void => {
    for (const { section, name, path } of uses) {
      if (!optional(section, name)) continue;
      report(
        [...path],
        `${who} is not optional, but uses the optional ${partKinds[section]} ${name}: make both optional, or neither`,
        [section, '*', 'optional'],
      );
    }
  };
  listOf(document['services']).forEach((service, index) => {
    if (service['optional'] === undefined)
      check(`service ${service['name']}`, usesOf(service, ['services', index]));
  });
  listOf(document['evaluations']).forEach((evaluation, index) => {
    if (optional('services', evaluation['service'])) return;
    check(`evaluation ${evaluation['name']}`, evaluationUses(evaluation, ['evaluations', index]));
  });
}

/** What a service uses. Its fields may have any type. */
export function usesOf(service: Fields, at: readonly (string | number)[] = []): Use[] {
  const mounts = listOf(service['mounts']).flatMap((mount, place): Use[] => {
    const path = (name: string): (string | number)[] => [...at, 'mounts', place, name];
    return [
      { section: 'models', name: mount['model'], path: path('model') },
      { section: 'files', name: mount['files'], path: path('files') },
      { section: 'files', name: mount['template'], path: path('template') },
    ];
  });
  const adapters = listOf(service['adapters']).map(
    ({ model }, place): Use => ({
      section: 'models',
      name: model,
      path: [...at, 'adapters', place, 'model'],
    }),
  );
  const others = textsOf(service['dependsOn']).map(
    (name, place): Use => ({ section: 'services', name, path: [...at, 'dependsOn', place] }),
  );
  const image: Use = { section: 'images', name: service['image'], path: [...at, 'image'] };
  return [image, ...mounts, ...adapters, ...others].filter(({ name }) => name !== undefined);
}

/** What an evaluation uses beside the service that it asks. Its fields may have any type. */
export function evaluationUses(evaluation: Fields, at: readonly (string | number)[] = []): Use[] {
  const { questions, similarity } = evaluation;
  const { service } = fieldsOf(similarity);
  const uses: Use[] = [
    { section: 'files', name: questions, path: [...at, 'questions'] },
    { section: 'services', name: service, path: [...at, 'similarity', 'service'] },
  ];
  return uses.filter(({ name }) => name !== undefined);
}
