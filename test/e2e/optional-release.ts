import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeTags } from '../lab/image-layout.ts';
import { shellImage } from '../target/container/shell-image.ts';

/** The optional sizes of the release, and the bytes of their tensors. */
export const sizes = { small: 40_000, large: 900_000 } as const;
export type SizeName = keyof typeof sizes;

/** Writes the models and the image of the release to a folder. */
export async function writeOptionalContent(folder: string): Promise<void> {
  const layout = join(folder, 'image');
  const { image } = await shellImage(layout, 'chat', 'one');
  const manifest = readFileSync(join(layout, 'blobs', image.manifest.replace(':', '/')));
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  writeTags(layout, { '1.0': { mediaType, digest: image.manifest, size: manifest.length } });
  for (const name of ['small', 'large'] as const) writeModel(folder, name);
}

/** A model of one tensor. */
function writeModel(folder: string, name: SizeName): void {
  mkdirSync(join(folder, `models-${name}`));
  const tensor = { dtype: 'U8', shape: [sizes[name]], data_offsets: [0, sizes[name]] };
  const header = Buffer.from(JSON.stringify({ w: tensor }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const weights = Buffer.concat([length, header, Buffer.alloc(sizes[name], name)]);
  writeFileSync(weightsIn(folder, name), weights);
}

const weightsIn = (folder: string, name: SizeName): string =>
  join(folder, `models-${name}`, 'model.safetensors');

/** What the service of a size answers: the bytes of its model. */
export function answerOf(folder: string, name: SizeName): string {
  return String(readFileSync(weightsIn(folder, name)).length);
}

function serviceOf(name: SizeName): string {
  const script = `busybox wc -c < /model/model.safetensors > /served/index.html; busybox httpd -p 8080 -h /served; trap 'exit 0' TERM; sleep 1000 & wait`;
  return `  - name: ${name}
    image: server
    optional: true
    args: [${JSON.stringify(script)}]
    mounts: [{ model: ${name}, path: /model }, { memory: 16MiB, path: /served }]
    ports: [{ name: http, container: 8080, host: "\${parameters.${name}Port}" }]
    health: { server: http, port: http, path: /, startupSeconds: 60 }`;
}

/** One release with a small and a large model, each with a service that is optional too. */
export function optionalManifest(version: string): string {
  return `apiVersion: stowage/v1
name: chat
version: ${version}
description: release ${version}
models:
  - { name: small, source: ./models-small, optional: true }
  - { name: large, source: ./models-large, optional: true }
images:
  - { name: server, source: 'oci:./image' }
parameters:
  smallPort: { type: integer, default: 18340, description: the port of the small model }
  largePort: { type: integer, default: 18341, description: the port of the large model }
services:
${serviceOf('small')}
${serviceOf('large')}
`;
}
