import { describe, expect, it } from 'vitest';
import { liveText } from '../../../src/cli/commands/status-live.ts';
import type { LiveService } from '../../../src/site/live/live-status.ts';

const now = new Date('2026-11-29T12:00:00Z');

const vllm: LiveService = {
  ...{ release: 'nemotron-chat', service: 'vllm', phase: 'ready', detail: '' },
  startedAt: '2026-11-29T10:00:00Z',
  models: [{ id: 'nemotron', context: 32_768 }, { id: 'nemotron-sql' }],
  ...{ running: 12, waiting: 3, concurrency: 4.25, cacheUse: 0.874, cacheTokens: 139_264 },
  ...{ promptRate: 812.4, generatedRate: 96.52, promptTokens: 900_000, generatedTokens: 120_000 },
  ...{ memoryBytes: 21_474_836_480, cpus: 1.234, readBytes: 17_800_000_000 },
};

const loading: LiveService = {
  ...{ release: 'gpt-oss', service: 'llama-server', phase: 'loading' },
  detail:
    'status 503 from /health; last line: load_tensors: loading model tensors, this can take a while',
  ...{ startedAt: '2026-11-29T11:59:12Z', memoryBytes: 3_221_225_472, cpus: 0.5 },
  readBytes: 6_442_450_944,
};

const unknown: LiveService = {
  ...{ release: 'embed', service: 'server', phase: 'unknown', detail: 'no answer within 8 s' },
};

const live = { site: 'hq', generation: 7, services: [vllm, loading, unknown] };

describe('when the live state of a site is shown', () => {
  it('fits in 120 columns', () => {
    expect(liveText(live, 120, now)).toBe(`site hq: generation 7, 3 services, rates of one second
  nemotron-chat vllm: ready, started 2 h 0 min ago
    model nemotron, context 32,768 tokens   model nemotron-sql   running 12   waiting 3   concurrency 4.3
    KV cache 87 % of 139,264 tokens   generated 97 tokens/s   prompts 812 tokens/s   memory 20.00 GiB   CPU 1.23 cores
    read 16.58 GiB
  gpt-oss llama-server: loading, started 48.0 s ago: status 503 from /health; last line: load_tensors: loading model
  tensors, this can take a while
    memory 3.00 GiB   CPU 0.50 cores   read 6.00 GiB
  embed server: unknown: no answer within 8 s
`);
  });

  it('fits in 60 columns', () => {
    const text = liveText(live, 60, now);
    expect(text).toContain(`    model nemotron, context 32,768 tokens
    model nemotron-sql   running 12   waiting 3
    concurrency 4.3   KV cache 87 % of 139,264 tokens
`);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(60);
  });

  it.each([
    ['memory and CPU', {}],
    ['memory', { cpus: 0.5 }],
    ['CPU', { memoryBytes: 4096 }],
  ])('says why figures of the engine are unknown: %s', (missing, known) => {
    const useUnknown = 'this account may not list pods of metrics.k8s.io';
    const services = [{ ...unknown, ...known, useUnknown }];
    expect(liveText({ ...live, services }, 200, now)).toContain(
      ` ${missing} unknown: this account may not list pods of metrics.k8s.io`,
    );
  });

  it('has nothing to show without services', () => {
    expect(liveText({ ...live, services: [] }, 60, now)).toBe('site hq: no services\n');
  });
});
