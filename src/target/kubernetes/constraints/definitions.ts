import { oneLine } from '../../../core/text.ts';
import type { Constraint } from '../../../format/plan.ts';
import { releaseText } from '../../change.ts';
import { isForbidden } from '../api/failure.ts';
import { definedResources } from '../api/object-api.ts';
import { narrowings } from '../objects/narrowing.ts';
import type { ClusterConstraintInput } from './constraint.ts';
import { surveyObjects } from './object-survey.ts';
import { type ChangedDefinition, existingDefinitions } from './objects.ts';

const MAX_TEXT = 300;
const MAX_NAMED = 5;

/** Definitions that exist accept everything that they accepted, or the cluster has no object that could suffer. */
export async function definitions(input: ClusterConstraintInput): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  for (const survey of await surveyObjects(input))
    for (const definition of existingDefinitions(survey)) {
      const narrowed = narrowings(definition.before, definition.after);
      if (narrowed.length === 0) continue;
      const used = await isUsed(definition, input);
      const more = narrowed.length - MAX_NAMED;
      const what = narrowed.slice(0, MAX_NAMED).map((each) => oneLine(each, MAX_TEXT));
      constraints.push({
        rule: 'definition',
        satisfied: !used,
        needs: `definition ${definition.name} accepts what it accepted before ${releaseText(survey.release)}`,
        found: `${what.join('; ')}${more > 0 ? `; and ${more} more` : ''}${used ? '' : '; the cluster has no object of it'}`,
      });
    }
  return constraints;
}

/** Objects that cannot be counted may exist. */
async function isUsed(
  { before }: ChangedDefinition,
  { api, signal }: ClusterConstraintInput,
): Promise<boolean> {
  const [resource] = definedResources([before]);
  if (resource === undefined) return false;
  try {
    for await (const _ of api.list(resource, { limit: 1 }, signal)) return true;
    return false;
  } catch (error) {
    if (isForbidden(error)) return true;
    throw error;
  }
}
