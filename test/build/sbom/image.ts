import { type Digest, digestOf } from '../../../src/core/digest.ts';
import { canonicalBytes } from '../../../src/core/json.ts';
import type { LockedImage } from '../../../src/format/locked-content.ts';
import { BlobStore } from '../../../src/io/blob-store.ts';

const LAYER = 'application/vnd.oci.image.layer.v1.tar';

/** An image of these layers in a new store; several lists of layers are several platforms. */
export async function storedImage(
  root: string,
  ...platforms: readonly (readonly Buffer[])[]
): Promise<{ store: BlobStore; image: LockedImage }> {
  const store = new BlobStore(root);
  const described: { platform: string; manifest: Digest; config: Digest }[] = [];
  for (const [index, layers] of platforms.entries()) {
    for (const layer of layers) await store.put(layer);
    const config = await store.put(Buffer.from('{}'));
    const manifest = await store.put(
      canonicalBytes({
        schemaVersion: 2,
        platform: index,
        layers: layers.map((layer) => ({
          mediaType: LAYER,
          digest: digestOf(layer),
          size: layer.length,
        })),
      }),
    );
    described.push({ platform: ['linux/amd64', 'linux/arm64'][index] ?? '', manifest, config });
  }
  const first = described[0]?.manifest ?? digestOf(Buffer.alloc(0));
  const target = { digest: first, size: 1, mediaType: 'a/b' };
  const image = {
    name: 'server',
    source: 'registry.example/app:1',
    repository: 'registry.example/app',
    target,
    platforms: described,
    blobs: [target],
  };
  return { store, image };
}

/** The os-release files of images like Debian, Alpine and Fedora. */
export const osRelease = {
  debian: 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
  alpine: "NAME='Alpine Linux'\nID=alpine\nVERSION_ID=3.20.1\nPRETTY_NAME='Alpine Linux v3.20'\n",
  fedora: 'ID=fedora\nVERSION_ID=41\nPRETTY_NAME="Fedora Linux 41"\n',
} as const;

export const dpkgStatus: string = `Package: libc6
Status: install ok installed
Priority: optional
Architecture: amd64
Multi-Arch: same
Source: glibc
Version: 2.36-9+deb12u8
Description: GNU C Library: Shared libraries
 Contains the standard libraries.
 .
 Package: not-a-package

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0

Package: tzdata
Status: install ok installed
Architecture: all
Version: 1:2024a-0+deb12u1
`;

export const apkInstalled: string = `C:Q1abc=
P:musl
V:1.2.5-r0
A:x86_64
L:MIT
o:musl
T:the musl c library

P:busybox-binsh
V:1.36.1-r29
A:x86_64
o:busybox
L:GPL-2.0-only
`;
