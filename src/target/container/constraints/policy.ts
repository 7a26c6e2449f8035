import type { Constraint } from '../../../format/plan.ts';
import { arrivals, releaseText } from '../../change.ts';
import { policyDefect, policyPaths } from '../image-policy.ts';
import type { ContainerConstraintInput } from './constraint.ts';

/** Podman's own policy admits images from the depot; nothing is said where it does. */
export async function policy(input: ContainerConstraintInput): Promise<Constraint[]> {
  if (input.facts.engine !== 'podman') return [];
  const coming = arrivals(input.change).filter(({ release }) => release.workload.kind !== 'none');
  if (coming.length === 0) return [];
  for (const path of policyPaths(input.facts.home)) {
    const text = await input.host.read(path);
    if (text === undefined) continue;
    const defect = policyDefect(text);
    if (defect === undefined) return [];
    return coming.map(({ release }) => ({
      rule: 'policy',
      satisfied: false,
      needs: `a policy that lets podman pull the images of ${releaseText(release)} from a registry on this host: insecureAcceptAnything for "" under transports, docker`,
      found: `${path} ${defect}`,
    }));
  }
  return [];
}
