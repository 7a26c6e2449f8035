import { cleanEnvironment, foreignVariable, namesDescriptor } from './clean-environment.ts';
import type { CommandGroup } from './program.ts';

/** Flags built into the executable: OpenSSL reads no configuration file. */
const OWN_FLAGS = ['--openssl-config=/dev/null'];

/** Restarts this executable with a clean environment if a variable would change how the runtime behaves. */
function startClean(): void {
  const clean = cleanEnvironment(process.env);
  if (clean === undefined) return;
  const args = process.argv.slice(2);
  if (namesDescriptor(args)) {
    process.stderr.write(
      `stowage: error: ${foreignVariable(process.env)} is set, and removing it would close the descriptor of --passphrase-fd\n  hint: unset ${foreignVariable(process.env)}, or use --passphrase-file\n`,
    );
    process.exit(2);
  }
  process.execve?.('/proc/self/exe', [process.argv0, ...args], clean);
}

/** Runs the program inside a single executable, which scripts/build-installer.ts builds. @param groups loads its commands */
export async function runExecutable(groups: () => Promise<readonly CommandGroup[]>): Promise<void> {
  startClean();
  const { runProcess } = await import('./process.ts');
  const entry = { program: process.execPath, ownFlags: OWN_FLAGS };
  await runProcess({ ...entry, groups: await groups() });
}
