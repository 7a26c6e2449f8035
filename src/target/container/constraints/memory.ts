import { formatBytes } from '../../../core/text.ts';
import type { Constraint, DeployedRelease } from '../../../format/plan.ts';
import { arrivals, hostNeeds, releaseText } from '../../change.ts';
import { memoryBytes } from '../../host/processor.ts';
import { containersOf } from '../workload.ts';
import type { ContainerConstraintInput } from './constraint.ts';

/** The host has the memory that a release requires, and other releases leave enough for the limits of its services. */
export async function memory(input: ContainerConstraintInput): Promise<Constraint[]> {
  const asked = hostNeeds(input.change, 'memory');
  const limited = arrivals(input.change).filter(({ release }) => reserved(release) > 0);
  if (asked.length + limited.length === 0) return [];
  const total = await memoryBytes(input.host);
  const unknown = 'unknown: this host does not report its memory';
  const whole = asked.map(([{ release }, bytes]) => ({
    rule: 'memory',
    satisfied: total !== undefined && total >= bytes,
    needs: `a host with ${formatBytes(bytes)} of memory for ${releaseText(release)}`,
    found: total === undefined ? unknown : `${formatBytes(total)} in total`,
  }));
  const beside = limited.map(({ release }) => {
    const others = input.change.to.releases.filter((each) => each.name !== release.name);
    const taken = others.reduce((sum, each) => sum + reserved(each), 0);
    return {
      rule: 'memory',
      satisfied: total !== undefined && total - taken >= reserved(release),
      needs: `${formatBytes(reserved(release))} of memory for the services of ${releaseText(release)}`,
      found:
        total === undefined
          ? unknown
          : `${formatBytes(Math.max(0, total - taken))}: ${formatBytes(total)} minus ${formatBytes(taken)} reserved by other releases`,
    };
  });
  return [...whole, ...beside];
}

/** The sum of the memory limits of a release's services, in bytes. */
function reserved(release: DeployedRelease): number {
  return containersOf(release).services.reduce((sum, each) => sum + (each.memory ?? 0), 0);
}
