// The entry point of the installer in a bundle.
import { runExecutable } from './executable.ts';

void runExecutable(async () => (await import('./program.ts')).disconnectedGroups);
