// The entry point of the installer in a bundle: one executable, built by scripts/build-installer.ts.
import { cleanEnvironment, foreignVariable, namesDescriptor } from './clean-environment.ts';

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

async function start(): Promise<void> {
  const { runProcess } = await import('./process.ts');
  const { disconnectedGroups } = await import('./program.ts');
  await runProcess({ program: process.execPath, groups: disconnectedGroups, ownFlags: OWN_FLAGS });
}

startClean();
void start();
