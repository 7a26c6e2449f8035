import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { switchTo } from '../../../src/site/generations.ts';
import { type LiveService, liveStatus } from '../../../src/site/live/live-status.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import type { Target } from '../../../src/target/target.ts';
import { context } from '../../support/context.ts';
import { generation, release, service } from '../../support/deployed.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { type Behaviour, json, startFakeServer } from '../../support/fake-server.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder();
/** Eight seconds, and what a busy machine adds. */
const IN_TIME = 20_000;

/** The live state of one service of a site with this server, and how long it took, in milliseconds. */
async function live(
  behaviour: Behaviour,
  change: (target: Target) => Partial<Target> = () => ({}),
): Promise<{ found: LiveService; took: number }> {
  const { port } = await startFakeServer(behaviour);
  const one = service({
    ports: [{ name: 'http', address: '127.0.0.1', host: port, container: 80 }],
    health: {
      ...{ server: 'vllm', port: 'http', startupSeconds: 60, startupLimitSeconds: 60 },
      soakSeconds: 0,
    },
  });
  const target = fakeTarget();
  target.engine.run(one);
  const site = new SiteFolder(scratch.fresh('site'));
  await site.prepare();
  await switchTo(site, generation(1, release({ services: [one] })));
  const began = performance.now();
  const { services } = await liveStatus({
    ...{ ...context(), site },
    target: { ...target, ...change(target) },
  });
  const took = performance.now() - began;
  const [found] = services;
  if (found === undefined || services.length > 1) throw new Error('not one service');
  return { found, took };
}

/** Answers these paths never, as a server that hangs. */
const silentAt =
  (...paths: readonly string[]) =>
  (path: string): boolean =>
    paths.includes(path);

function text(response: ServerResponse, body: string): true {
  response.writeHead(200, { 'content-type': 'text/plain' }).end(body);
  return true;
}

const METRICS = [
  'vllm:num_requests_running{engine="0"} 2.0',
  'vllm:num_requests_waiting{engine="0"} 1.0',
  'vllm:kv_cache_usage_perc{engine="0"} 0.25',
  'vllm:cache_config_info{block_size="16",num_gpu_blocks="1024"} 1.0',
].join('\n');

describe('when the live state of services is read', () => {
  it('has the figures of the server, and rates over a second', async () => {
    let generated = 0;
    const { found } = await live({
      odd: (path, response) => {
        if (path === '/v1/models') json(response, { data: [{ id: 'tiny', max_model_len: 4096 }] });
        else if (path === '/metrics') {
          text(response, `${METRICS}\nvllm:generation_tokens_total ${generated}\n`);
          generated += 100;
        } else return false;
        return true;
      },
    });
    expect(found).toMatchObject({
      ...{ phase: 'ready', detail: '', models: [{ id: 'tiny', context: 4096 }] },
      ...{ running: 2, waiting: 1, cacheUse: 0.25, cacheTokens: 16_384, concurrency: 4 },
    });
    expect(found.generatedRate).toBeGreaterThan(10);
    expect(found.generatedRate).toBeLessThanOrEqual(101);
  });

  it.each<[string, readonly string[], LiveService['phase'], string]>([
    ['its readiness check', ['/health'], 'loading', 'no response from /health'],
    ['questions about its models and metrics', ['/v1/models', '/metrics'], 'ready', ''],
  ])('does not wait for a server that does not answer %s', async (_, paths, phase, detail) => {
    const { found, took } = await live({ odd: silentAt(...paths) });
    expect(found).toMatchObject({ phase });
    expect(found.detail).toContain(detail);
    expect(took).toBeLessThan(IN_TIME);
  });

  it('takes what a target measures itself, or why it cannot', async () => {
    const measured = { cpus: 1.5, memoryBytes: 4096 };
    const known = await live({}, () => ({ resourceUse: async () => measured }));
    expect(known.found).toMatchObject(measured);
    const why = 'the cluster has no pod metrics';
    const { found } = await live({}, () => ({ resourceUse: async () => ({ unknown: why }) }));
    expect(found).toMatchObject({ phase: 'ready', useUnknown: why });
    for (const each of ['cpus', 'memoryBytes', 'unknown']) expect(found).not.toHaveProperty(each);
  });

  it('does not wait for an engine that hangs', async () => {
    const { found, took } = await live({}, () => ({ state: () => new Promise(() => {}) }));
    expect(found).toMatchObject({ phase: 'unknown', detail: 'no answer within 8 s' });
    expect(took).toBeLessThan(IN_TIME);
  });

  it('limits what a hostile server can say', async () => {
    const name = `\u202e\x1b[2J${'x'.repeat(100_000)}`;
    const { found } = await live({
      odd: (path, response) => {
        if (path === '/v1/models')
          json(response, {
            data: Array.from({ length: 50 }, () => ({
              id: name.slice(0, 2000),
              max_model_len: -1,
            })),
          });
        else if (path === '/metrics')
          text(response, `vllm:kv_cache_usage_perc 1e308\nvllm:num_requests_running NaN\n`);
        else return false;
        return true;
      },
    });
    expect(found.models).toHaveLength(16);
    expect(Math.max(...(found.models ?? []).map(({ id }) => id.length))).toBeLessThanOrEqual(100);
    expect(JSON.stringify(found)).not.toMatch(/\\u001b|\u202e/);
    expect(found).toMatchObject({ cacheUse: 1 });
    expect(found.running).toBeUndefined();
    const flooded = await live({
      odd: (path, response) => path === '/metrics' && text(response, 'a 1\n'.repeat(1_000_000)),
    });
    expect(flooded.found).toMatchObject({ phase: 'ready', models: [{ id: 'tiny' }] });
  });
});
