import { spawnSync } from 'node:child_process';

/** What the system's openssl answered. */
export interface Answer {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the system's openssl, the tool that an officer checks with. */
export function openssl(args: readonly string[], cwd?: string): Answer {
  const { status, stdout, stderr, error } = spawnSync('openssl', args, {
    encoding: 'utf8',
    ...(cwd === undefined ? {} : { cwd }),
  });
  if (error !== undefined) throw error;
  return { ok: status === 0, stdout, stderr };
}
