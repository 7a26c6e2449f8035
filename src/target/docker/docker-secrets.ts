import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../../core/error.ts';
import { exists, ioError, makeFolder, writeAtomic } from '../../io/file.ts';

/**
 * Secrets of services that docker runs. Without a swarm docker keeps none, so that each is a file of the site,
 * mounted read-only: every user inside the container may read it, and on the host nobody but the owner of the
 * folder, who alone may enter it.
 */
export interface DockerSecrets {
  readonly folder: string;
  has(name: string): Promise<boolean>;
  /** @throws StowageError `io-failed`, `disk-full` */
  place(name: string, value: Uint8Array): Promise<void>;
  remove(name: string): Promise<void>;
}

export function createDockerSecrets(folder: string): DockerSecrets {
  const fileOf = (name: string): string => join(folder, name);
  return {
    folder,
    has: (name) => exists(fileOf(name)),
    async place(name, value) {
      await makeFolder(folder, 0o700);
      if (await exists(fileOf(name))) return;
      await writeAtomic(fileOf(name), value, 0o444);
    },
    async remove(name) {
      try {
        await rm(fileOf(name), { force: true });
        // The last one takes the folder with it.
        if ((await readdir(folder).catch(() => ['unknown'])).length === 0) await rmdir(folder);
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') throw ioError(error, fileOf(name));
      }
    },
  };
}
