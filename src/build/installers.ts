import { chmod, lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../core/context.ts';
import { StowageError } from '../core/error.ts';
import { MAX_INSTALLER_BYTES, MAX_INSTALLER_COMPONENTS_BYTES } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { readJson } from '../format/document.ts';
import {
  componentsPath,
  type DescribedInstaller,
  type InstallerComponents,
  installerComponentsKind,
  installerPath,
  toolkitPath,
} from '../format/installer.ts';
import { ioError, readIfThere } from '../io/file.ts';
import { wholeSums } from '../io/hash-task.ts';
import { HashPool } from '../io/hashing.ts';
import { PassError } from '../io/positioned.ts';

/** An installer to include in a bundle. */
export interface BuiltInstaller {
  readonly platform: string;
  /** Its file name, in that folder and in a bundle. */
  readonly path: string;
  /** The folder that contains it. */
  readonly folder: string;
  readonly size: number;
  /** From the list next to it, if there is one. */
  readonly components?: InstallerComponents;
}

/**
 * The installers or toolkits for these platforms, all of them, with the lists of their components.
 * @throws StowageError `file-missing`, `file-kind` for a platform without one, `document-invalid` and `format-newer` for a
 * list, `io-failed`
 */
export async function findInstallers(
  folder: string,
  platforms: readonly string[],
  kind: 'installer' | 'toolkit' = 'installer',
): Promise<BuiltInstaller[]> {
  const found: BuiltInstaller[] = [];
  // `linux/arm64/v8` is served by the installer for `linux/arm64`.
  const bases = new Set(platforms.map((each) => each.split('/').slice(0, 2).join('/')));
  for (const platform of [...bases].toSorted()) {
    const path = kind === 'toolkit' ? toolkitPath(platform) : installerPath(platform);
    if (path === undefined)
      throw missing(kind, platform, 'an installer for linux/amd64 or linux/arm64');
    const place = join(folder, path);
    const size = await sizeOf(place, kind, platform);
    const list = await readIfThere(
      join(folder, componentsPath(path)),
      MAX_INSTALLER_COMPONENTS_BYTES,
    );
    found.push({
      ...{ platform, path, folder, size },
      ...(list === undefined ? {} : { components: readJson(installerComponentsKind, list) }),
    });
  }
  return found;
}

async function sizeOf(place: string, kind: string, platform: string): Promise<number> {
  try {
    const status = await lstat(place);
    if (!status.isFile()) throw unfit(place, 'file-kind', 'something else');
    if (status.size > 0 && status.size <= MAX_INSTALLER_BYTES) return status.size;
    throw unfit(place, 'io-failed', counted(status.size, 'byte'));
  } catch (error) {
    const failure = ioError(error, place);
    if (failure instanceof StowageError && failure.code === 'file-missing')
      throw missing(kind, platform, place, error);
    throw failure;
  }
}

function missing(kind: string, platform: string, expected: string, cause?: unknown): StowageError {
  return new StowageError('file-missing', `there is no ${kind} for ${platform}`, {
    expected,
    found: 'nothing',
    hint: `${kind}s are part of each stowage release, or run npm run build:installer in a checkout; give their folder with --installer, or pack without ${kind === 'toolkit' ? '--toolkit' : 'them with --no-installer'}`,
    cause,
  });
}

function unfit(place: string, code: 'file-kind' | 'io-failed', found: string): StowageError {
  return new StowageError(code, `${place} is not an installer`, {
    expected: `a regular file of 1 to ${MAX_INSTALLER_BYTES} bytes`,
    found,
    hint: 'replace it with the installer from a stowage release, or run npm run build:installer',
  });
}

/**
 * Copies installers into the folder of a bundle, hashing what is written.
 * @throws StowageError `io-failed`; `document-invalid` if the list next to an installer is of another installer
 */
export async function copyInstallers(
  built: readonly BuiltInstaller[],
  bundle: string,
  { signal, emit }: Context,
): Promise<DescribedInstaller[]> {
  if (built.length === 0) return [];
  emit({ type: 'step', step: 'pack', subject: counted(built.length, 'installer') });
  for (const { path } of built.filter(({ components }) => components === undefined))
    emit({
      type: 'warning',
      message: `the SBOM does not list the components of ${path}: there is no ${componentsPath(path)} next to it`,
      hint: 'copy both files from one stowage release, or run npm run build:installer',
    });
  const pool = new HashPool(signal, built.length);
  try {
    return await Promise.all(built.map((each) => copyInstaller(each, bundle, pool)));
  } finally {
    await pool.close();
  }
}

async function copyInstaller(
  { platform, path, folder, size, components }: BuiltInstaller,
  bundle: string,
  pool: HashPool,
): Promise<DescribedInstaller> {
  const destination = { path: join(bundle, path), offset: 0, create: true };
  const task = {
    path: join(folder, path),
    size,
    offset: 0,
    pieces: [{ length: size, destination }],
    hashes: ['sha512', 'crc32'],
  } as const;
  try {
    const { pieces } = await pool.run(task);
    await chmod(destination.path, 0o755);
    const [sums] = pieces;
    const installer = { platform, path, size, ...wholeSums(sums) };
    return components === undefined
      ? installer
      : { ...installer, components: requireListOf(installer, components) };
  } catch (error) {
    if (error instanceof PassError) throw ioError(error, error.path);
    throw ioError(error, destination.path);
  }
}

function requireListOf(
  { path, sha512 }: Pick<DescribedInstaller, 'path' | 'sha512'>,
  components: InstallerComponents,
): InstallerComponents {
  if (components.installer === path && components.sha512 === sha512) return components;
  throw new StowageError('document-invalid', `${componentsPath(path)} is for another installer`, {
    expected: `${path}, ${sha512}`,
    found: `${components.installer}, ${components.sha512}`,
    hint: installerComponentsKind.hint,
  });
}
