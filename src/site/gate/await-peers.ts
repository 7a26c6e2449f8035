import type { Context } from '../../core/event.ts';
import type { DeployedRelease, RenderedService } from '../../format/generation.ts';
import type { Target } from '../../target/target.ts';
import { endpointOf } from './gate-service.ts';
import { becomesReady, readinessQuestion } from './readiness.ts';

/**
 * Waits until the services that another depends on say that they are ready, as long as each may take to load. One
 * that does not get there is not waited for any longer, and nothing is said of it.
 * @throws StowageError `engine-failed`, `interrupted`
 */
export async function awaitPeers(
  release: DeployedRelease,
  { dependsOn }: RenderedService,
  target: Target,
  context: Context,
): Promise<void> {
  for (const peer of release.services.filter((each) => dependsOn.includes(each.name))) {
    const { health } = peer;
    if (health === undefined) continue;
    const endpoint = endpointOf(peer, health);
    const question = readinessQuestion(peer, health, endpoint, target, context.signal);
    await becomesReady(peer, health, question, target, context);
  }
}
