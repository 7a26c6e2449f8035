import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** A heading. */
export function say(text: string): void {
  console.log(`\n== ${text}`);
}

/** Arguments as a person types them in a shell. */
export function asTyped(args: readonly string[]): string {
  return args.map((each) => (each.includes(' ') ? `'${each}'` : each)).join(' ');
}

/** Runs a command whose output is shown. @throws Error unless it ends with this status */
export async function run(
  command: string,
  args: readonly string[],
  { env = {}, cwd, status = 0 }: { env?: NodeJS.ProcessEnv; cwd: string; status?: number },
): Promise<void> {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [found] = (await once(child, 'exit')) as [number | null];
  if (found !== status)
    throw new Error(`${command} ${args.join(' ')} ended with ${found}, not ${status}`);
}

/** What a command writes to its standard output. */
export async function output(
  cwd: string,
  command: string,
  args: readonly string[],
): Promise<string> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const chunk of child.stdout) text += String(chunk);
  return text;
}

/** The SHA-256 fingerprint of a root certificate, as it would stand on paper. */
export async function fingerprintOf(cwd: string, certificate: string): Promise<string> {
  const args = ['x509', '-in', certificate, '-noout', '-fingerprint', '-sha256'];
  return (await output(cwd, 'openssl', args)).trim().replace(/^.*=/, '');
}
