import { describe, expect, it } from 'vitest';
import { attemptInWords, attemptsOf, type Evidence } from '../../../src/site/rehearsal/attempts.ts';

const time = (seconds: number): Date => new Date(Date.UTC(2026, 10, 30, 0, 0, seconds));

const nothing: Evidence = {
  ...{ tried: [], seen: [], own: new Set(['10.89.0.1']), known: [] },
  nameOf: (address) => (address === '198.18.0.1' ? 'huggingface.co' : undefined),
  serviceOf: (container) => container.replace('stowage-x-chat-', ''),
  serviceAt: (address) => (address === '10.89.0.9' ? 'quiet' : undefined),
};

const from = { source: '10.89.0.2', sourcePort: 40_000 };
const by = { process: 'python3 server.py', container: 'stowage-x-chat-server' };
const hub = { ...from, protocol: 'tcp', address: '198.18.0.1', port: 443, at: time(1) } as const;

describe('when kernel and sink saw the same connection', () => {
  it('makes one attempt of both', () => {
    const seen = [{ ...from, ...by, protocol: 'tcp', sni: 'huggingface.co', at: time(0) }] as const;
    const [attempt, ...others] = attemptsOf({ ...nothing, tried: [hub], seen });
    expect(others).toEqual([]);
    expect(attempt).toEqual({
      ...{ protocol: 'tcp', name: 'huggingface.co', address: '198.18.0.1', port: 443 },
      ...{ sni: 'huggingface.co', service: 'server', paths: [], count: 1 },
      processes: ['python3 server.py'],
      ...{ first: '2026-11-30T00:00:00Z', last: '2026-11-30T00:00:00Z' },
      purpose: expect.stringContaining('Hugging Face Hub'),
      remedy: expect.stringContaining('HF_HUB_OFFLINE=1'),
    });
  });

  it('counts those with the same destination, service and port together', () => {
    const again = { ...hub, sourcePort: 40_001, at: time(5) };
    const [attempt] = attemptsOf({ ...nothing, tried: [hub, again] });
    expect(attempt).toMatchObject({ count: 2, last: '2026-11-30T00:00:05Z' });
  });
});

describe('when only one of them saw it', () => {
  it('takes the name from the address, and the service from the source', () => {
    const [attempt] = attemptsOf({ ...nothing, tried: [{ ...hub, source: '10.89.0.9' }] });
    expect(attempt).toMatchObject({ name: 'huggingface.co', service: 'quiet', processes: [] });
  });

  it('keeps a lookup without a connection', () => {
    const seen = [{ ...from, ...by, protocol: 'dns', name: 'stats.vllm.ai', at: time(0) }] as const;
    expect(attemptsOf({ ...nothing, seen })).toMatchObject([
      { protocol: 'dns', name: 'stats.vllm.ai', service: 'server' },
    ]);
  });

  it('leaves out what went to the rehearsal itself, such as the resolver of a network', () => {
    const own = { ...hub, protocol: 'udp', address: '10.89.0.1', port: 53 } as const;
    expect(attemptsOf({ ...nothing, tried: [own] })).toEqual([]);
  });
});

describe('when the manifest lists what is known', () => {
  it.each([
    [{ host: 'huggingface.co', port: 443 }, true],
    [{ host: 'huggingface.co' }, true],
    [{ host: '*.co' }, true],
    [{ host: 'huggingface.co', port: 80 }, false],
    [{ host: '*.huggingface.co' }, false],
    // An address is known by itself only where there is no name.
    [{ host: '198.18.0.1' }, false],
  ])('%j covers it: %j', (entry, covered) => {
    const known = [{ ...entry, reason: 'harmless' }];
    const [attempt] = attemptsOf({ ...nothing, tried: [hub], known });
    expect(attempt?.known).toBe(covered ? 'harmless' : undefined);
  });

  it('covers lookups whatever the port, and an address without a name', () => {
    const seen = [{ ...from, ...by, protocol: 'dns', name: 'a.example', at: time(0) }] as const;
    const bare = { ...hub, address: '203.0.113.7', port: 6514 };
    const known = [
      { host: 'a.example', port: 443, reason: 'one' },
      { host: '203.0.113.7', port: 6514, reason: 'two' },
    ];
    const found = attemptsOf({ ...nothing, seen, tried: [bare], known });
    expect(found.map((each) => each.known)).toEqual(['one', 'two']);
  });
});

describe('when an attempt is put in words', () => {
  it.each([
    [{ tried: [hub] }, 'something tried huggingface.co port 443'],
    [
      { tried: [{ ...hub, protocol: 'udp', address: '203.0.113.9', port: 123 } as const] },
      'something tried 203.0.113.9 port 123, UDP',
    ],
    [
      { seen: [{ ...from, ...by, protocol: 'dns', name: 'a.example', at: time(0) } as const] },
      'server (python3 server.py) looked up a.example',
    ],
  ])('%j', (evidence, words) => {
    const [attempt] = attemptsOf({ ...nothing, ...evidence });
    expect(attempt && attemptInWords(attempt)).toBe(words);
  });
});
