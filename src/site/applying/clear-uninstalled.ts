import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../core/error.ts';
import type { DeployedRelease, Generation, Plan } from '../../format/plan.ts';
import type { Receipt } from '../../format/receipt.ts';
import { generationNumbers, loadGeneration } from '../generations.ts';
import { removeLayout } from '../release/layout.ts';
import type { SiteContext } from '../site-context.ts';
import { forgetGenerations } from './forget-generations.ts';

type ClearContext = Pick<SiteContext, 'site' | 'target' | 'signal'>;

/**
 * Removes from the target and from `layouts/` what the given generations left of releases that are not installed, in
 * whatever version. The store keeps their blobs, so a rollback places all of it again. Repeating it changes nothing.
 */
export async function clearUninstalled(
  current: Generation,
  generations: readonly Generation[],
  { site, target, signal }: ClearContext,
): Promise<void> {
  const installed = new Set(current.releases.map(({ name }) => name));
  const split = (stays: boolean): Generation[] =>
    generations
      .map((each) => {
        const has = ({ name }: DeployedRelease): boolean => installed.has(name) === stays;
        return { ...each, releases: each.releases.filter(has) };
      })
      .filter(({ releases }) => releases.length > 0);
  const going = split(false);
  if (going.length === 0) return;
  await forgetGenerations(going, [current, ...split(true)], { target, signal });
  const kept = new Set(current.releases.map(({ bundle }) => bundle));
  const ids = new Set(going.flatMap(({ releases }) => releases.map(({ bundle }) => bundle)));
  for (const id of ids) if (!kept.has(id)) await removeLayout(site, id);
}

/**
 * {@link clearUninstalled} after a plan that removed a release, or failed to install one. The steps of the plan know its two
 * generations only, and undo nothing that an earlier one may use. A failure is only a warning: `stowage gc` does the same.
 */
export async function clearLeftBehind(
  { intent, from, to }: Plan,
  outcome: Receipt['outcome'],
  { site, target, signal, emit }: SiteContext,
): Promise<void> {
  const current = outcome === 'kept' ? to : from;
  const installed = new Set(current.releases.map(({ name }) => name));
  if ([...from.releases, ...to.releases].every(({ name }) => installed.has(name))) return;
  // The steps of the plan removed these.
  const removed = outcome === 'kept' && intent === 'uninstall' ? from.releases : [];
  const isLeft = (release: DeployedRelease): boolean =>
    !removed.some((each) => isDeepStrictEqual(each, release));
  try {
    const generations = [from, to];
    for (const number of await generationNumbers(site))
      generations.push(await loadGeneration(site, number));
    const left = generations.map((each) => ({ ...each, releases: each.releases.filter(isLeft) }));
    await clearUninstalled(current, left, { site, target, signal });
  } catch (error) {
    emit({
      type: 'warning',
      message: `objects of a removed release are left: ${messageOf(error)}`,
      hint: 'fix the problem in this message, then run stowage gc',
    });
  }
}
