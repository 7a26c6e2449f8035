// The entry point of the toolkit in a bundle: every command, for networks in which bundles are built.
import { runExecutable } from './executable.ts';

void runExecutable(async () => (await import('./every-group.ts')).everyGroup);
