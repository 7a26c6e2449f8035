import type { Digest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import type { FileOrigin, ModelHop, ModelOrigin } from '../format/locked-content.ts';
import type { ModelSource } from '../format/manifest.ts';
import type { SignatureVerdict } from '../format/upstream.ts';

/** A source of bytes, which can be opened at any offset. */
export interface Origin {
  /** For messages; no secrets, no query strings. */
  readonly description: string;
  /**
   * The bytes from `offset` to the end, over one connection. If it breaks, the iteration throws; the caller counts the
   * bytes and reopens at the new offset.
   * @throws StowageError `source-*`, `interrupted`; while iterating too
   */
  open(offset: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /**
   * A range of the bytes, if the source supports ranges. The response may be shorter or the whole content: see `from`
   * and `to`. The iteration throws if it is truncated.
   * @param end one past the last byte
   * @throws StowageError `source-*`, `interrupted`; while iterating too
   */
  readonly part?: (start: number, end: number, signal: AbortSignal) => Promise<OriginPart>;
}

/** A range of bytes of a file. */
export interface OriginPart {
  readonly from: number;
  /** One past the last byte; absent if only the end of the body shows it. */
  readonly to?: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/** All bytes of a small file. @throws StowageError `source-malformed` if there are more than `maxBytes` */
export async function wholeOf(
  origin: Origin,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of await origin.open(0, signal)) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes)
      throw new StowageError('source-malformed', `${origin.description} is too large`, {
        expected: `at most ${maxBytes} bytes`,
        found: 'more',
        hint: 'check that it is the file that the manifest means',
      });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A file of a model, as its source lists it. Its path is not checked yet. */
export interface FoundFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256, if the source states it. Without it, the file is read to lock it. */
  readonly digest?: Digest;
  /** Git blob SHA-1, for files that a Hub stores outside LFS. */
  readonly gitOid?: string;
  /** The verdict of the Hub's scanners: `safe`, `unsafe`, `suspicious`, `queued`, ... */
  readonly hubScan?: string;
  readonly from?: FileOrigin;
  /** The version of an object, in a store that keeps versions. */
  readonly version?: string;
  /** The state of a local file or of an object: other bytes have another one. */
  readonly state?: FileState;
}

/** The state of a local file or of an object when it was listed. */
export interface FileState {
  /** Differs for another path, file, size or time of change. */
  readonly key: string;
  /** Whether it is so old that a later write shows in its time of change. */
  readonly settled: boolean;
}

/** A model at one state of its source. */
export interface FoundModel {
  /** `organisation/name`; absent if the source has no such name. */
  readonly repository?: string;
  /** 40 hex digits; absent if the source has no commits. */
  readonly commit?: string;
  /** The URL of the Hub. */
  readonly endpoint?: string;
  /** Where the model is if not on a Hub; without the digest if it is that of the list of its files. */
  readonly origin?: Omit<ModelOrigin, 'digest'> & Partial<Pick<ModelOrigin, 'digest'>>;
  /** The bundle that the model is in, and its evidence by path. */
  readonly hop?: Omit<ModelHop, 'evidence'>;
  readonly evidence?: ReadonlyMap<string, Buffer>;
  /** The verdict on its publisher's signature in that bundle. */
  readonly signature?: SignatureVerdict;
  /** As the source states it. */
  readonly license?: string;
  /** Whether an account must accept terms before it can read the files. */
  readonly gated: boolean;
  /** Whether access is granted automatically or by a person; only for gated models. */
  readonly gate?: 'auto' | 'manual';
  readonly tags: readonly string[];
  readonly files: readonly FoundFile[];
  /** Archives that contain further files. */
  readonly layers?: readonly ModelLayer[];
}

/** An archive with files of a model: a layer of an artifact, or of an image. */
export interface ModelLayer {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** The path of its only file, if it states one. */
  readonly path?: string;
  /** Whether it is a layer of an image: the files are in `/models`, and later layers replace or remove those of earlier ones. */
  readonly image: boolean;
}

/** The model that a file belongs to. */
export interface FileOwner {
  readonly source: string;
  readonly repository: string;
  readonly commit: string;
}

/** One kind of place that models come from. */
export interface ModelSourceKind {
  /** Whether a source in a manifest is of this kind. */
  reads(source: string): boolean;
  /** @throws StowageError `source-*`, `file-*`, `path-unsafe` */
  resolve(
    model: Pick<ModelSource, 'source' | 'digest' | 'trust'>,
    signal: AbortSignal,
  ): Promise<FoundModel>;
  /** The bytes of a file, which `resolve` found now or before the model was locked. */
  file(
    owner: FileOwner,
    file: Pick<FoundFile, 'path' | 'digest' | 'state' | 'version'>,
  ): Promise<Origin>;
}
