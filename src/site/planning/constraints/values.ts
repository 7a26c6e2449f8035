import { StowageError } from '../../../core/error.ts';
import type { DeployedRelease } from '../../../format/generation.ts';
import type { Constraint } from '../../../format/plan.ts';
import { type Arrival, arrivals, releaseText } from '../../../target/change.ts';
import { keptName, readSecret } from '../secrets.ts';
import type { ConstraintInput } from './constraint.ts';

/** Each secret of a release is to be had, and is the one that its services are to read. */
export async function secrets(input: ConstraintInput): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  for (const { release } of arrivals(input.context.change)) {
    for (const { name, secret } of release.secrets) {
      const found = await lookFor(secret, name, release, input);
      constraints.push({
        rule: 'secret',
        satisfied: found === undefined,
        needs: `a value of secret ${secret} for ${releaseText(release)}`,
        found: found ?? 'there',
      });
    }
  }
  return constraints;
}

/** The site's values fit the parameters of each release that is installed: the plan could not have been made else. */
export function parameters(input: ConstraintInput): Constraint[] {
  if (input.context.change.intent !== 'install') return [];
  const asked = ({ bundle }: Arrival): boolean => Object.keys(bundle.parameters).length > 0;
  return arrivals(input.context.change)
    .filter(asked)
    .map(({ bundle, release }) => ({
      rule: 'parameter',
      satisfied: true,
      needs: `values of the right type for ${Object.keys(bundle.parameters).join(', ')} of ${releaseText(release)}`,
      found: 'all of them',
    }));
}

/** Why the secret cannot be given to the services, in words; undefined when it can. */
async function lookFor(
  secret: string,
  name: string,
  release: DeployedRelease,
  { site, settings, env, target, context }: ConstraintInput,
): Promise<string | undefined> {
  try {
    const value = await readSecret(settings, release.name, secret, env);
    if ((await keptName(site, release.name, secret, value)) === name) return undefined;
  } catch (error) {
    if (!(error instanceof StowageError) || error.code !== 'site-invalid') throw error;
    return (await target.hasSecret(name, context.signal)) ? undefined : error.found;
  }
  return (await target.hasSecret(name, context.signal))
    ? undefined
    : 'another value than it had in that generation';
}
