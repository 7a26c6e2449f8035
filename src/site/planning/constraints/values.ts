import { StowageError } from '../../../core/error.ts';
import type { Constraint, DeployedRelease } from '../../../format/plan.ts';
import { type Arrival, arrivals, releaseText } from '../../../target/change.ts';
import { keyIn } from '../../api-key.ts';
import { secretExposure } from '../../protection.ts';
import { keptName, readSecret, secretReference, withOwnSecrets } from '../secrets.ts';
import type { ConstraintInput } from './constraint.ts';

/** Each secret of a release has a value, which is the one in the planned generation, and which no other user can read. */
export async function secrets(input: ConstraintInput): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  for (const { release } of arrivals(input.context.change)) {
    for (const { name, secret } of release.secrets) {
      const found = await problemWith(secret, name, release, input);
      constraints.push({
        rule: 'secret',
        satisfied: found === undefined,
        needs: `a value for secret ${secret} of ${releaseText(release)}`,
        found: found ?? 'present',
      });
    }
  }
  return constraints;
}

/** The site's values match the parameters of each installed release: otherwise, there would be no plan. */
export function parameters(input: ConstraintInput): Constraint[] {
  if (input.context.change.intent !== 'install') return [];
  const asked = ({ bundle }: Arrival): boolean => Object.keys(bundle.parameters).length > 0;
  return arrivals(input.context.change)
    .filter(asked)
    .map(({ bundle, release }) => ({
      rule: 'parameter',
      satisfied: true,
      needs: `values of the right type for ${Object.keys(bundle.parameters).join(', ')} of ${releaseText(release)}`,
      found: 'all valid',
    }));
}

function isApiKey(
  secret: string,
  release: DeployedRelease,
  target: ConstraintInput['target'],
): boolean {
  return target.services(release).some(({ health }) => health?.apiKey === secret);
}

/** Why the services cannot get the secret, in words; undefined if they can. */
async function problemWith(
  secret: string,
  name: string,
  release: DeployedRelease,
  { site, settings, env, target, context }: ConstraintInput,
): Promise<string | undefined> {
  try {
    const own = target.ownSecrets?.(settings) ?? new Map();
    const known = withOwnSecrets(settings, release.name, own);
    const value = await readSecret(known, release.name, secret, env);
    const reference = secretReference(known, release.name, secret);
    if ((await keptName(site, release.name, secret, value)) === name) {
      if (isApiKey(secret, release, target) && keyIn(value) === undefined)
        return 'not one line of visible ASCII characters, which an API key must be';
      return reference !== undefined && 'file' in reference
        ? await secretExposure(reference.file)
        : undefined;
    }
  } catch (error) {
    if (!(error instanceof StowageError) || error.code !== 'site-invalid') throw error;
    return (await target.hasSecret({ release, name }, context.signal)) ? undefined : error.found;
  }
  return (await target.hasSecret({ release, name }, context.signal))
    ? undefined
    : 'a different value than in that generation';
}
