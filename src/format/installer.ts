import * as z from 'zod';
import type { Sri } from '../core/digest.ts';
import {
  CRC_SPAN_BYTES,
  MAX_INSTALLER_BYTES,
  MAX_INSTALLER_COMPONENTS_BYTES,
} from '../core/limits.ts';
import { type DocumentKind, schemaMember } from './document.ts';
import * as field from './field.ts';

/** The program as one executable for one platform: the installer, or the toolkit, which has every command. The same on every disc. */
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

/** The platforms that have an installer, as a pattern. */
export const installerPlatforms: string = Object.keys(paths).join('|');

/** The file name of the installer for a platform; undefined if there is none. */
export function installerPath(platform: string): string | undefined {
  return Object.hasOwn(paths, platform) ? paths[platform] : undefined;
}

/** The file name of the toolkit for a platform; undefined if there is none. */
export function toolkitPath(platform: string): string | undefined {
  return installerPath(platform)?.replace(/^stowage-/, TOOLKIT);
}

const TOOLKIT = 'stowage-toolkit-';

/** Whether a program in a bundle is a toolkit. */
export function isToolkit({ path }: Pick<Installer, 'path'>): boolean {
  return path.startsWith(TOOLKIT);
}

export const installer: z.ZodType<Installer> = field.exact(
  z
    .strictObject({
      platform: z.enum(Object.keys(paths)),
      path: field.mediaPath,
      size: z.int().min(1).max(MAX_INSTALLER_BYTES),
      sha512: field.sri,
      crc32: field.crc32,
    })
    .refine(
      ({ path, platform }) => path === installerPath(platform) || path === toolkitPath(platform),
      {
        path: ['path'],
        message: 'expected the name of the installer or the toolkit for this platform',
      },
    )
    .refine(({ crc32, size }) => crc32.length === 8 * Math.ceil(size / CRC_SPAN_BYTES), {
      path: ['crc32'],
      message: 'expected 8 hex digits for each 4 MiB',
    }),
);

/** A piece of software inside an installer. */
export interface InstallerPart {
  readonly name: string;
  readonly version: string;
  /** Its package URL (purl-spec). */
  readonly purl: string;
}

/** An npm package whose code is in an installer. */
export interface InstallerPackage extends InstallerPart {
  /** As stated in the package's metadata. */
  readonly license?: string;
  /** SHA-512 of the package's archive in the registry, 128 hex digits. */
  readonly sha512?: string;
  /** Purls of the packages in the same list that it depends on, sorted. */
  readonly dependsOn: readonly string[];
}

/** The Node.js executable that an installer was made from. */
export interface InstallerRuntime extends InstallerPart {
  readonly license: string;
  /** SHA-256 of `bin/node` as nodejs.org publishes it, before its symbols were removed; 64 hex digits. */
  readonly sha256: string;
  /** Libraries and data in it, as its `process.versions` states; sorted by purl. */
  readonly parts: readonly InstallerPart[];
}

/** What an installer consists of. The build writes it next to the installer, and `pack` adds it to the SBOM. */
export interface InstallerComponents {
  readonly schema: 'stowage/installer-components/v1';
  /** File name of the installer. */
  readonly installer: string;
  /** Of the installer. */
  readonly sha512: Sri;
  /** Sorted by purl, each once. */
  readonly packages: readonly InstallerPackage[];
  readonly runtime: InstallerRuntime;
}

/** An installer in a bundle, and its components if they are known. */
export interface DescribedInstaller extends Installer {
  readonly components?: InstallerComponents;
}

const MAX_PARTS = 10_000;
const text = z.string().regex(/^[\x20-\x7e]{1,256}$/, 'expected one line of printable ASCII');
const purl = z.string().regex(/^pkg:[a-z0-9.+-]+\/[\x21-\x7e]{1,1000}$/, 'expected a package URL');
const part = { name: text, version: text, purl };

const schema: z.ZodType<InstallerComponents> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/installer-components/v1'),
    installer: field.mediaPath,
    sha512: field.sri,
    packages: z
      .array(
        z.strictObject({
          ...part,
          license: text.exactOptional(),
          sha512: z.exactOptional(field.hex(128)),
          dependsOn: z.array(purl).max(MAX_PARTS),
        }),
      )
      .max(MAX_PARTS),
    runtime: z.strictObject({
      ...part,
      license: text,
      sha256: field.hex(64),
      parts: z.array(z.strictObject(part)).max(MAX_PARTS),
    }),
  }),
);

export const installerComponentsKind: DocumentKind<InstallerComponents> = {
  name: "the list of an installer's components",
  versionIn: schemaMember('installer-components'),
  code: 'document-invalid',
  schema,
  maxBytes: MAX_INSTALLER_COMPONENTS_BYTES,
  hint: 'copy the installer and its list from one stowage release, or run npm run build:installer',
};

/** The file name of the list of an installer. */
export function componentsPath(installer: string): string {
  return `${installer}.components.json`;
}
