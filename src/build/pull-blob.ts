import type { Emit, OnBytes } from '../core/context.ts';
import { StowageError } from '../core/error.ts';
import { sourceRead } from '../format/locked-content.ts';
import { isMismatch } from '../io/incoming.ts';
import { fetchBlob } from './fetch.ts';
import { firstOf } from './mirrors.ts';
import type { BlobRequest } from './origins.ts';
import type { OtherSource, WantedBlob } from './other-sources.ts';
import { changedSince } from './stale.ts';
import type { Transfer } from './transfer.ts';

interface Source {
  readonly source: string;
  keep(wanted: WantedBlob, onBytes: OnBytes): Promise<void>;
}

/** Pulls blobs, each from the first source that has it. A source that did not answer is not asked for the blobs after it. */
export class BlobPuller {
  readonly #others: ReadonlyMap<string, readonly OtherSource[]>;
  readonly #transfer: Transfer;
  readonly #silent = new Set<string>();

  constructor(others: ReadonlyMap<string, readonly OtherSource[]>, transfer: Transfer) {
    this.#others = others;
    this.#transfer = transfer;
  }

  /** @throws StowageError `source-*`; `lock-stale` for a file of a local model with other content than the locked one */
  pull(request: BlobRequest, onBytes: OnBytes): Promise<void> {
    const { item, digest, size, model } = request;
    const { expected, origin, local } = request;
    const own: Source = {
      source: 'files' in item || 'blobs' in item ? sourceRead(item) : item.source,
      keep: async () => {
        try {
          await fetchBlob(this.#transfer, expected, await origin(), onBytes);
        } catch (error) {
          if (local === undefined || !(error instanceof StowageError)) throw error;
          if (error.code !== 'source-mismatch') throw error;
          throw changedSince(local, error.expected ?? '', error.found ?? '');
        }
      },
    };
    const wanted = { digest, size, ...(model && { path: model.path }) };
    return this.pullFrom(item.name, own, wanted, onBytes);
  }

  /** The same for a blob whose first source is not one request. */
  async pullFrom(name: string, own: Source, wanted: WantedBlob, onBytes: OnBytes): Promise<void> {
    const all = [own, ...(this.#others.get(name) ?? [])];
    const answering = all.filter(({ source }) => !this.#silent.has(source));
    const what = wanted.path === undefined ? name : `${wanted.path} of ${name}`;
    const emit: Emit = this.#transfer.emit;
    await firstOf(answering.length === 0 ? all : answering, { what, emit }, async (each) => {
      try {
        await this.#keep(each, wanted, onBytes);
      } catch (error) {
        const unreachable = error instanceof StowageError && error.code === 'source-unreachable';
        if (unreachable && all.length > 1) this.#silent.add(each.source);
        throw error;
      }
    });
  }

  /** What an earlier source left of a blob is discarded if the blob is wrong with it, and this source is asked once more. */
  async #keep(from: Source, wanted: WantedBlob, onBytes: OnBytes): Promise<void> {
    const { store } = this.#transfer;
    if ((await store.size(wanted.digest)) === wanted.size) return;
    const before = await store.incomingBytes(wanted.digest.slice('sha256:'.length));
    try {
      await from.keep(wanted, onBytes);
    } catch (error) {
      if (before === 0 || !isMismatch(error)) throw error;
      await from.keep(wanted, onBytes);
    }
  }
}
