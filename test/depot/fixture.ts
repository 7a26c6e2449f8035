import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Digest, digestFromHex, digestHex } from '../../src/core/digest.ts';
import type {
  Catalog,
  CatalogEntry,
  CatalogModel,
  CatalogRelease,
  StoredFile,
} from '../../src/depot/catalog.ts';

export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const SCHEMA_2 = 'application/vnd.docker.distribution.manifest.v2+json';

/** A store in a temporary folder, and a catalog over it that a test fills. */
export class Store implements Catalog {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'stowage-depot-'));
  readonly entries: CatalogEntry[] = [];
  readonly hubModels: CatalogModel[] = [];
  readonly bundle: Map<string, StoredFile> = new Map();

  add(bytes: Uint8Array | string): Digest {
    const digest = digestFromHex(createHash('sha256').update(bytes).digest('hex'));
    writeFileSync(this.blobPath(digest), bytes);
    return digest;
  }

  repositories(): readonly CatalogEntry[] {
    return this.entries;
  }

  models(): readonly CatalogModel[] {
    return this.hubModels;
  }

  releases(): readonly CatalogRelease[] {
    return [];
  }

  async bundleFiles(): Promise<ReadonlyMap<string, StoredFile>> {
    return this.bundle;
  }

  blobPath(digest: Digest): string {
    return join(this.folder, digestHex(digest));
  }

  async requireIntact(digest: Digest): Promise<void> {
    await this.onRead?.(digest);
  }

  linking<T>(_: unknown, work: () => Promise<T>): Promise<T> {
    return work();
  }

  /** Called before a blob is sent, and before its last bytes are. */
  onRead?: (digest: Digest) => Promise<void>;

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Asks with the target exactly as given, which `fetch` would tidy up. */
export async function ask(
  host: string,
  path: string,
  options: {
    readonly method?: string;
    readonly headers?: Record<string, string>;
    readonly body?: string;
    /** The address that the client comes from. */
    readonly localAddress?: string;
  } = {},
): Promise<Reply> {
  const [hostname, port] = host.split(':');
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    request({ hostname, port, path, agent: false, ...rest }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response;
        resolve({ status, headers, body: Buffer.concat(chunks) });
      });
    })
      .on('error', reject)
      .end(body);
  });
}

/** The first error code of an error body (distribution specification, "Error codes"). */
export function errorCode(reply: Reply): string | undefined {
  const body = JSON.parse(reply.body.toString('utf8')) as { errors?: { code: string }[] };
  return body.errors?.[0]?.code;
}
