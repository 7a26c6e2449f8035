import type { DeployedRelease, Generation } from '../../format/plan.ts';
import type { SiteContext } from '../site-context.ts';

/** Removes from the target what only the generations in `going` need. */
export async function forgetGenerations(
  going: readonly Generation[],
  staying: readonly Generation[],
  { target, signal }: Pick<SiteContext, 'target' | 'signal'>,
): Promise<void> {
  await target.forget(going, staying, signal);
  const secretsOf = (generations: readonly Generation[]): Map<string, DeployedRelease> =>
    new Map(
      generations.flatMap(({ releases }) =>
        releases.flatMap((each) => each.secrets.map(({ name }) => [name, each] as const)),
      ),
    );
  const kept = secretsOf(staying);
  for (const [name, release] of secretsOf(going))
    if (!kept.has(name)) await target.removeSecret({ release, name }, signal);
}
