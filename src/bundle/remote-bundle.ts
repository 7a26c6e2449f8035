import type { Digest } from '../core/digest.ts';

/** A file of a bundle on another host. Nothing of it is trusted before its content was checked. */
export interface RemoteFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 by which a registry lists it; absent where the host lists none. */
  readonly digest?: Digest;
  /**
   * Its bytes from an offset to its end. Each chunk is valid until the next one is requested.
   * @throws StowageError `source-*`, `registry-*`, `interrupted`; while they are read too
   */
  open(offset: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** A bundle on another host: in a registry, or served by a depot. */
export interface RemoteBundle {
  /** Its address, as messages show it. */
  readonly address: string;
  /**
   * The files that the host offers, by path.
   * @throws StowageError `bundle-absent`, `source-*`, `registry-*`, `interrupted`
   */
  list(signal: AbortSignal): Promise<ReadonlyMap<string, RemoteFile>>;
}
