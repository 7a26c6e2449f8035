import { connect } from 'node:net';
import { interrupted } from '../../../core/error.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals } from '../../change.ts';
import { clusterWorkload } from '../workload.ts';
import type { ClusterConstraintInput } from './constraint.ts';

const LIMIT_MS = 5_000;
const DEFAULT_PORT = 443;

/**
 * The depot that nodes pull from accepts connections. Only that: this host need not trust its certificate. A depot that this host
 * does not reach but nodes do is what an override is for.
 */
export async function depot({
  change,
  settings,
  signal,
}: ClusterConstraintInput): Promise<Constraint[]> {
  const { images } = settings.kubernetes ?? {};
  if (images === undefined || images.from === 'push') return [];
  if (!arrivals(change).some(({ release }) => clusterWorkload(release) !== undefined)) return [];
  const { registry } = images;
  const failure = await connectionFailure(registry, signal);
  const start = `stowage depot --install --listen ${registry} --tls-certificate FILE --tls-key FILE --token-file FILE --modelcars`;
  return [
    {
      rule: 'depot',
      satisfied: failure === undefined,
      needs: `a depot at ${registry}, which nodes pull from`,
      found:
        failure === undefined ? 'it accepts connections' : `${failure}; start it with: ${start}`,
    },
  ];
}

/** Why nothing accepts connections there; undefined where something does. */
async function connectionFailure(
  registry: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const [, bracketed, plain, digits] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(registry) ?? [];
  const host = bracketed ?? plain ?? registry;
  const port = digits === undefined ? DEFAULT_PORT : Number(digits);
  const failure = await new Promise<string | undefined>((resolve) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
    const socket = connect({ host, port, signal: limit });
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(
        limit.aborted ? `no answer within ${LIMIT_MS / 1000} s` : (error.code ?? 'no connection'),
      );
    });
  });
  if (signal.aborted) throw interrupted(signal);
  return failure;
}
