import { type Constraint, IGNORED } from '../../../format/plan.ts';
import { arrivals, releaseText } from '../../change.ts';
import type { ClusterConstraintInput } from './constraint.ts';

/** The API of pods has neither limits of processes, nor a safe way to share memory with the node: the plan tells it. */
export function isolation({ change }: Pick<ClusterConstraintInput, 'change'>): Constraint[] {
  return arrivals(change).flatMap(({ bundle, release }) =>
    bundle.services.flatMap(({ name, ulimits, ipc }): Constraint[] => {
      const about = `of service ${name} of ${releaseText(release)}`;
      const limits = Object.keys(ulimits ?? {}).join(', ');
      return [
        ...(limits === ''
          ? []
          : [
              {
                ...{ rule: IGNORED, satisfied: true, needs: `ulimits ${limits} ${about}` },
                found: 'ignored: pods have the limits of the container runtime on their node',
              },
            ]),
        ...(ipc === 'host'
          ? [
              {
                ...{ rule: IGNORED, satisfied: true, needs: `ipc host ${about}` },
                found: 'ignored: the pod gets memory of its own at /dev/shm, without a size limit',
              },
            ]
          : []),
      ];
    }),
  );
}
