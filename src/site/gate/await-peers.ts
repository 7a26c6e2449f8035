import type { Context } from '../../core/event.ts';
import type { ServiceOf, Target } from '../../target/target.ts';
import { deployedService, openEndpoint } from './gate-service.ts';
import { becomesReady, readinessQuestion } from './readiness.ts';

/**
 * Waits until the services that another depends on say that they are ready, as long as each may take to load. One
 * that does not get there is not waited for any longer, and nothing is said of it.
 * @throws StowageError `engine-failed`, `interrupted`
 */
export async function awaitPeers(
  { release, service }: ServiceOf,
  context: Context & { readonly target: Target },
): Promise<void> {
  const { dependsOn } = deployedService({ release, service }, context.target);
  for (const peer of dependsOn) {
    const of = { release, service: peer };
    const { health } = deployedService(of, context.target);
    if (health === undefined) continue;
    const endpoint = await openEndpoint(of, health, context);
    try {
      const question = readinessQuestion({ of, health, endpoint }, context);
      await becomesReady({ of, health, question }, context);
    } finally {
      await endpoint?.close();
    }
  }
}
