/** Where an image comes from that is not in a registry, in the syntax of skopeo. */
export interface LocalImage {
  /** `oci`: a folder with an image layout; an archive of one, or of `docker save`; the storage of podman or docker. */
  readonly kind: 'oci' | 'oci-archive' | 'docker-archive' | 'containers-storage' | 'docker-daemon';
  /** Of the folder or archive; undefined for a storage. */
  readonly path?: string;
  /** The name of the image there; in a storage always present. */
  readonly name?: string;
}

/** A path begins with `./`, `../` or `/`: without one, `oci:1` is an image in a registry. */
const FILES = /^(oci|oci-archive|docker-archive):(\.{0,2}\/[^:]*)(?::(.+))?$/;
const STORAGE = /^(containers-storage|docker-daemon):(.+)$/;

/** Parses the source of an image that is not in a registry; undefined for one in a registry. */
export function localImageOf(source: string): LocalImage | undefined {
  const [, files, path, tag] = FILES.exec(source) ?? [];
  if (files !== undefined && path !== undefined)
    return { kind: files as LocalImage['kind'], path, ...(tag === undefined ? {} : { name: tag }) };
  const [, storage, name] = STORAGE.exec(source) ?? [];
  return name === undefined ? undefined : { kind: storage as LocalImage['kind'], name };
}

/** Whether an image is in the storage of podman or docker, from which it is exported. */
export function isStored({ kind }: LocalImage): boolean {
  return kind === 'containers-storage' || kind === 'docker-daemon';
}
