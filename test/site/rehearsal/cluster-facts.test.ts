import { describe, expect, it } from 'vitest';
import { sinkAttempts } from '../../../src/site/rehearsal/cluster-facts.ts';
import type { SinkLine } from '../../../src/target/kubernetes/sealed/sink-log.ts';

const at = (seconds: number): Date => new Date(1_796_000_000_000 + seconds * 1000);

function lookup(name: string, seconds: number, source = '10.1.0.7'): SinkLine {
  const labels = name.split('.').flatMap((each) => [each.length, ...Buffer.from(each)]);
  const bytes = Buffer.from([1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
  return { kind: 'dns', at: at(seconds), source, sourcePort: 4000, port: 53, bytes };
}

function tcp(text: string, seconds: number, source = '10.1.0.7'): SinkLine {
  const bytes = Buffer.from(text);
  return { kind: 'tcp', at: at(seconds), source, sourcePort: 4001, port: 80, bytes };
}

const serviceAt = (address: string): string | undefined =>
  address === '10.1.0.7' ? 'chat' : undefined;
const names = (...lines: readonly SinkLine[]): (string | undefined)[] =>
  sinkAttempts(lines, serviceAt).map(({ name }) => name);

describe('when all names have the address of the sink', () => {
  it('names a connection by what it tells itself', () => {
    const request = 'GET /a?key=1 HTTP/1.1\r\nHost: a.example\r\n\r\n';
    expect(sinkAttempts([lookup('b.example', 0), tcp(request, 1)], serviceAt)).toEqual([
      { protocol: 'dns', name: 'b.example', service: 'chat', at: at(0) },
      {
        ...{ protocol: 'tcp', name: 'a.example', host: 'a.example', path: 'GET /a', port: 80 },
        ...{ service: 'chat', at: at(1) },
      },
    ]);
  });

  it('names one that tells nothing by the last lookup of its pod, for a minute', () => {
    expect(names(lookup('a.example', 0), lookup('b.example', 1), tcp('', 2))[2]).toBe('b.example');
    expect(names(lookup('a.example', 0), tcp('', 61))[1]).toBeUndefined();
    expect(names(lookup('a.example', 0, '10.1.0.8'), tcp('', 1))[1]).toBeUndefined();
    expect(names(tcp('', 0), lookup('a.example', 1))[0]).toBeUndefined();
  });

  it('does not know the service of an address that none of its pods had', () => {
    expect(sinkAttempts([tcp('', 0, '10.1.0.9')], serviceAt)).toMatchObject([
      { service: undefined },
    ]);
  });

  it('counts no lookup that is none', () => {
    expect(names({ ...lookup('a.example', 0), bytes: Buffer.alloc(20) })).toEqual([]);
  });
});
