import { createServer } from 'node:net';
import { systemCode } from '../../core/error.ts';

export type Listening =
  | 'free'
  | 'taken'
  /** No interface of this host has the address. */
  | 'no-address'
  /** This user may not listen there. */
  | 'forbidden';

/** Listens and stops at once: the one sure way to ask. */
export function tryToListen(address: string, port: number): Promise<Listening> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(meaning(systemCode(error))));
    server.listen({ host: address, port, exclusive: true }, () => {
      server.close(() => resolve('free'));
    });
  });
}

function meaning(code: string | undefined): Listening {
  if (code === 'EADDRNOTAVAIL') return 'no-address';
  return code === 'EACCES' || code === 'EPERM' ? 'forbidden' : 'taken';
}
