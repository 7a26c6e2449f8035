import * as z from 'zod';
import type { Sri } from '../core/digest.ts';
import { CRC_SPAN_BYTES, MAX_INSTALLER_BYTES } from '../core/limits.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';

/** The program as one executable for one platform; the same on every disc. */
export interface Installer {
  /** Such as `linux/amd64`. */
  readonly platform: string;
  readonly path: string;
  readonly size: number;
  readonly sha512: Sri;
  /** CRC-32 of each 4 MiB, as for a part. */
  readonly crc32: string;
}

const paths: Readonly<Record<string, string>> = {
  'linux/amd64': 'stowage-linux-x64',
  'linux/arm64': 'stowage-linux-arm64',
};

/** The file name of the installer for a platform; undefined if there is none. */
export function installerPath(platform: string): string | undefined {
  return Object.hasOwn(paths, platform) ? paths[platform] : undefined;
}

export const installer: z.ZodType<Installer> = exact(
  z
    .strictObject({
      platform: z.enum(Object.keys(paths)),
      path: field.mediaPath,
      size: z.int().min(1).max(MAX_INSTALLER_BYTES),
      sha512: field.sri,
      crc32: field.crc32,
    })
    .refine(({ path, platform }) => path === installerPath(platform), {
      path: ['path'],
      message: 'expected the name of the installer for this platform',
    })
    .refine(({ crc32, size }) => crc32.length === 8 * Math.ceil(size / CRC_SPAN_BYTES), {
      path: ['crc32'],
      message: 'expected 8 hex digits for each 4 MiB',
    }),
);
