import type { Constraint } from '../../../format/plan.ts';
import { arrivals } from '../../change.ts';
import { isOurs, ownerInWords } from '../ownership.ts';
import { containersOf } from '../workload.ts';
import type { ContainerConstraintInput } from './constraint.ts';

/** The container names of arriving releases are free, or belong to this site. */
export async function containerNames(input: ContainerConstraintInput): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  for (const { release } of arrivals(input.change)) {
    for (const service of containersOf(release).services) {
      const found = await input.engine.inspectService(service, input.signal);
      if (found.state === 'absent' || isOurs(service, found)) continue;
      constraints.push({
        rule: 'name',
        satisfied: false,
        needs: `no container of another owner named ${service.unit}`,
        found: `a container that belongs to ${ownerInWords(found)}`,
      });
    }
  }
  return constraints;
}
