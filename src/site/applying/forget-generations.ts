import type { Generation } from '../../format/generation.ts';
import type { SiteContext } from '../site-context.ts';

/** Removes from the target what only the generations in `going` need. */
export async function forgetGenerations(
  going: readonly Generation[],
  staying: readonly Generation[],
  { target, signal }: Pick<SiteContext, 'target' | 'signal'>,
): Promise<void> {
  await target.forget(going, staying, signal);
  const secretsOf = (generations: readonly Generation[]): string[] =>
    generations.flatMap(({ releases }) =>
      releases.flatMap(({ secrets }) => secrets.map(({ name }) => name)),
    );
  const kept = new Set(secretsOf(staying));
  for (const name of new Set(secretsOf(going)))
    if (!kept.has(name)) await target.removeSecret(name, signal);
}
