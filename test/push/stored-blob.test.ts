import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { digestFromHex, digestHex } from '../../src/core/digest.ts';
import type { ErrorCode } from '../../src/core/error.ts';
import { createRegistryClient } from '../../src/net/registry-client.ts';
import { openSessions, type PushBlobOptions, pushBlob } from '../../src/push/push-blob.ts';
import { createRegistryWriter, type RegistryWriter } from '../../src/push/registry-writer.ts';
import { storedBlob, storedManifest } from '../../src/push/stored-blob.ts';
import { type Registry, startRegistry } from '../lab/registry.ts';
import { never, serve, testHttp } from '../net/server.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();
let registry: Registry;
let options: PushBlobOptions;
let folder: string;

function writerTo(host: string, insecure: readonly string[] = []): RegistryWriter {
  const { http } = testHttp();
  const credentials = { find: async () => undefined };
  const client = createRegistryClient({ http, credentials, insecure, plainOption: '--insecure' });
  return createRegistryWriter({ registry: host, client, http, signal: never });
}

const pathOf = (digest: string): string => join(folder, digestHex(digest as never));

/** A blob of this store, and what then happens to its file. */
function stored(harm: (path: string, bytes: Buffer) => void): ReturnType<typeof storedBlob> {
  const bytes = randomBytes(700_000);
  const digest = digestFromHex(createHash('sha256').update(bytes).digest('hex'));
  writeFileSync(pathOf(digest), bytes);
  harm(pathOf(digest), bytes);
  return storedBlob({ digest, size: bytes.length }, [{ digest, size: bytes.length }], pathOf);
}

beforeAll(async () => {
  registry = await startRegistry(scratch.fresh('registry'));
});

afterAll(() => registry.stop());

beforeEach(async () => {
  folder = scratch.fresh('store');
  mkdirSync(folder, { recursive: true });
  options = {
    ...{ writer: writerTo(registry.host), repository: 'a', chunkBytes: 300_000, signal: never },
    sessions: await openSessions(scratch.fresh('sessions.json')),
    onBytes: () => {},
  };
});

describe('when a blob of the local store cannot be pushed as it is', () => {
  it('pushes one that is intact', async () => {
    expect(
      await pushBlob(
        stored(() => {}),
        options,
      ),
    ).toBe('uploaded');
  });

  it.each<[string, ErrorCode, (path: string, bytes: Buffer) => void]>([
    [
      'one bit is flipped',
      'blob-damaged',
      (path: string, bytes: Buffer) => {
        bytes[650_000] = (bytes[650_000] ?? 0) ^ 1;
        writeFileSync(path, bytes);
      },
    ],
    ['it is truncated', 'blob-damaged', (path: string) => truncateSync(path, 400_001)],
    ['it is empty', 'blob-damaged', (path: string) => truncateSync(path, 0)],
    ['it is gone', 'blob-damaged', (path: string) => rmSync(path)],
    [
      'the disk cannot read it',
      'io-failed',
      (path: string) => {
        rmSync(path);
        symlinkSync('/proc/self/mem', path);
      },
    ],
  ])('blames the file when %s', async (_, code, harm) => {
    const blob = stored(harm);
    const error = await expectCode(() => pushBlob(blob, options), code);
    expect(`${error.message} ${error.found}`).toContain(digestHex(blob.digest));
  });

  it('blames the registry where the file is intact', async () => {
    const { host } = await serve((request, response) => {
      if (request.method === 'HEAD') response.writeHead(404).end();
      else if (request.method === 'POST')
        response.writeHead(202, { location: '/v2/a/blobs/uploads/1' }).end();
      else if (request.method === 'PATCH') {
        request.resume();
        request.on('end', () =>
          response.writeHead(202, { location: '/v2/a/blobs/uploads/1' }).end(),
        );
      } else response.writeHead(400).end('{"errors":[{"code":"DIGEST_INVALID"}]}');
    });
    const blob = stored(() => {});
    const refused = await expectCode(
      () => pushBlob(blob, { ...options, writer: writerTo(host) }),
      'registry-refused',
    );
    expect(refused.found).toContain('DIGEST_INVALID');
  });

  it.each([
    ['altered', (path: string) => writeFileSync(path, '{}')],
    ['gone', (path: string) => rmSync(path)],
  ])('blames a manifest that is %s', async (_, harm) => {
    const { digest } = stored(harm);
    await expectCode(() => storedManifest(digest, pathOf), 'blob-damaged');
  });
});

describe('when a registry elsewhere serves plain HTTP', () => {
  it('names the option that allows it', async () => {
    const plain = await serve((_, response) => response.writeHead(200).end());
    // This machine by an address that is not of loopback.
    const host = `0.0.0.0:${plain.host.split(':')[1]}`;
    const blob = stored(() => {});
    const error = await expectCode(
      () => pushBlob(blob, { ...options, writer: writerTo(host) }),
      'registry-unreachable',
    );
    expect(error.hint).toContain(`${host} serves plain HTTP, allow it with --insecure;`);
    expect(await pushBlob(blob, { ...options, writer: writerTo(host, [host]) })).toBe('present');
  });
});
