import { formatBytes } from '../../../core/amount.ts';
import type { DeployedRelease } from '../../../format/generation.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals, named, needing } from '../../change.ts';
import { memoryBytes } from '../../host/processor.ts';
import { containersOf } from '../workload.ts';
import type { ContainerConstraintInput } from './constraint.ts';

/** The host has the memory that a release says, and what its services may use at most is not reserved by others. */
export async function memory(input: ContainerConstraintInput): Promise<Constraint[]> {
  const asked = needing(input.change, 'memory');
  const limited = arrivals(input.change).filter(({ wanted }) => reserved(wanted) > 0);
  if (asked.length + limited.length === 0) return [];
  const total = await memoryBytes(input.host);
  const unknown = 'a host that does not tell its memory';
  const whole = asked.map(([{ wanted }, bytes]) => ({
    rule: 'memory',
    satisfied: total !== undefined && total >= bytes,
    needs: `a host with ${formatBytes(bytes)} of memory for ${named(wanted)}`,
    found: total === undefined ? unknown : `${formatBytes(total)} in all`,
  }));
  const beside = limited.map(({ wanted }) => {
    const others = input.change.to.releases.filter((each) => each.name !== wanted.name);
    const taken = others.reduce((sum, each) => sum + reserved(each), 0);
    return {
      rule: 'memory',
      satisfied: total !== undefined && total - taken >= reserved(wanted),
      needs: `${formatBytes(reserved(wanted))} of memory for the services of ${named(wanted)}`,
      found:
        total === undefined
          ? unknown
          : `${formatBytes(Math.max(0, total - taken))}: ${formatBytes(total)} less ${formatBytes(taken)} of other releases`,
    };
  });
  return [...whole, ...beside];
}

/** What the services of a release may use at most, in bytes, where they say it. */
function reserved(release: DeployedRelease): number {
  return containersOf(release).services.reduce((sum, each) => sum + (each.memory ?? 0), 0);
}
