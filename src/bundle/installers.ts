import type { Bundle } from '../format/bundle.ts';
import { type Installer, isToolkit } from '../format/installer.ts';
import type { Part } from '../format/part.ts';

/** A bundle's installers and toolkits, each as a part that is read, hashed and compared like any other. */
export function installerParts({ installers = [] }: Bundle): Part[] {
  return installers.map(({ path, size, sha512, crc32 }) => ({
    ...{ path, offset: 0, size, sha512, crc32 },
  }));
}

/** A bundle's installer for a platform. */
export function installerFor(bundle: Bundle, platform: string): Installer | undefined {
  return programsFor(bundle, platform).find((each) => !isToolkit(each));
}

/** A bundle's programs for a platform: the installer, and the toolkit if it was packed. */
export function programsFor(bundle: Bundle, platform: string): Installer[] {
  return (bundle.installers ?? []).filter((each) => each.platform === platform);
}
