import { describe, expect, it } from 'vitest';
import { MIB } from '../../src/core/limits.ts';
import { createHttp } from '../../src/net/http.ts';
import type { RegistryClient } from '../../src/net/registry-client.ts';
import { fileBytes } from '../../src/remote/file-bytes.ts';
import { seededBytes } from '../lab/random.ts';
import { never, serve } from '../net/server.ts';

const whole = seededBytes(7, 48 * MIB);

/** A host that needs no credentials. */
const open = { send: (request, _, __, run) => run(request) } as RegistryClient;

async function reading(offset: number, withRanges: boolean) {
  const { url } = await serve((_, response) => {
    const from = withRanges ? offset : 0;
    const body = whole.subarray(from);
    const range = { 'content-range': `bytes ${from}-${whole.length - 1}/${whole.length}` };
    response.writeHead(withRanges ? 206 : 200, {
      'content-length': body.length,
      ...(withRanges ? range : {}),
    });
    response.end(body);
  });
  const scope = { registry: 'host', repository: 'bundles' };
  const host = { client: open, http: createHttp(), scope };
  const file = { what: 'a part', url: new URL(`${url}/part`), size: whole.length };
  return fileBytes(host, file, offset, never);
}

describe('when a file of another host is read', () => {
  it.each([
    ['from its beginning', 0, true],
    ['from an offset', 7 * MIB + 3, true],
    ['from an offset, by a host that sends it whole', 7 * MIB + 3, false],
  ])('has its bytes %s, in memory that is used again', async (_, offset, withRanges) => {
    let read = offset;
    const memory = new Set<ArrayBufferLike>();
    for await (const chunk of await reading(offset, withRanges)) {
      expect(whole.subarray(read, read + chunk.length).equals(chunk)).toBe(true);
      read += chunk.length;
      memory.add(chunk.buffer);
    }
    expect(read).toBe(whole.length);
    const held = [...memory].reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(held).toBeLessThan(8 * MIB);
  });
});
