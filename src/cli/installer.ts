// The entry of the travelling installer: one executable, built by scripts/build-installer.ts.
import { cleanEnvironment, foreignVariable, namesDescriptor } from './clean-environment.ts';

/** Flags that the executable is built with: no configuration of OpenSSL is read, named or by default. */
const OWN_FLAGS = ['--openssl-config=/dev/null'];

/** Starts this very executable anew in place of itself when the environment would bend the runtime. */
function startClean(): void {
  const clean = cleanEnvironment(process.env);
  if (clean === undefined) return;
  const args = process.argv.slice(2);
  if (namesDescriptor(args)) {
    process.stderr.write(
      `stowage: error: ${foreignVariable(process.env)} is set, and --passphrase-fd cannot be handed on without it\n  hint: unset ${foreignVariable(process.env)}, or use --passphrase-file\n`,
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
