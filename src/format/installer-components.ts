import * as z from 'zod';
import type { Sri } from '../core/digest.ts';
import { MAX_INSTALLER_COMPONENTS_BYTES } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import type { Installer } from './installer.ts';
import { schemaMember } from './version.ts';

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

const schema: z.ZodType<InstallerComponents> = exact(
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
