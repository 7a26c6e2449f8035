import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../../core/error.ts';
import { exists, ioError, writeAtomic } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';

/**
 * Secrets of services that docker runs. Outside a swarm, docker has no secrets, so each is a file of the site, mounted
 * read-only. Every user in the container can read it; on the host, only the owner can enter the folder.
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
        // The folder goes with the last secret.
        if ((await readdir(folder).catch(() => ['unknown'])).length === 0) await rmdir(folder);
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') throw ioError(error, fileOf(name));
      }
    },
  };
}
