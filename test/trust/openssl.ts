import { spawnSync } from 'node:child_process';
import { signedAt } from './authority.ts';

/** What the system's openssl answered. */
export interface Answer {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Has openssl hold certificates against the moment at which the tests sign, not against today. */
export const atSigning: readonly string[] = ['-attime', String(signedAt.getTime() / 1000)];

/** Runs the system's openssl, the tool that an officer checks with. */
export function openssl(args: readonly string[], cwd?: string): Answer {
  const { status, stdout, stderr, error } = spawnSync('openssl', args, {
    encoding: 'utf8',
    ...(cwd === undefined ? {} : { cwd }),
  });
  if (error !== undefined) throw error;
  return { ok: status === 0, stdout, stderr };
}
