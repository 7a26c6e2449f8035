import { createHash } from 'node:crypto';

/** A layer of an artifact, to be pushed. */
export interface PushedLayer {
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface PushedArtifact {
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly config: PushedLayer;
  readonly layers: readonly PushedLayer[];
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** Pushes an artifact to a registry on this machine by the distribution specification. @returns the digest of its manifest */
export async function pushArtifact(
  { url }: { readonly url: string },
  repository: string,
  tag: string,
  artifact: PushedArtifact,
): Promise<string> {
  const { mediaType = MANIFEST, artifactType, config, layers } = artifact;
  for (const { bytes } of [config, ...layers]) await pushBlob(`${url}/v2/${repository}`, bytes);
  const manifest = Buffer.from(
    JSON.stringify({
      ...{ schemaVersion: 2, mediaType },
      ...(artifactType === undefined ? {} : { artifactType }),
      config: descriptor(config),
      layers: layers.map(descriptor),
    }),
  );
  return pushManifest(`${url}/v2/${repository}`, tag, manifest, mediaType);
}

export async function pushManifest(
  repository: string,
  tag: string,
  bytes: Buffer,
  mediaType: string,
): Promise<string> {
  const response = await fetch(`${repository}/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: new Uint8Array(bytes),
  });
  if (response.status !== 201) throw new Error(await response.text());
  return digest(bytes);
}

async function pushBlob(repository: string, bytes: Buffer): Promise<void> {
  const begun = await fetch(`${repository}/blobs/uploads/`, { method: 'POST' });
  const place = new URL(begun.headers.get('location') ?? '', repository);
  place.searchParams.set('digest', digest(bytes));
  const headers = { 'content-type': 'application/octet-stream' };
  const ended = await fetch(place, { method: 'PUT', headers, body: new Uint8Array(bytes) });
  if (ended.status !== 201) throw new Error(await ended.text());
}

function descriptor({ mediaType, bytes, annotations }: PushedLayer): object {
  const about = { mediaType, digest: digest(bytes), size: bytes.length };
  return annotations === undefined ? about : { ...about, annotations };
}

function digest(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
