import { beforeEach, describe, expect, it } from 'vitest';
import { MIB } from '../../../src/core/limits.ts';
import type { RenderedService } from '../../../src/format/containers.ts';
import { type AcceptanceTest, deploymentShape } from '../../../src/format/deployment.ts';
import { checkDocument } from '../../../src/format/document.ts';
import type { GateResult } from '../../../src/format/receipt.ts';
import type { Health } from '../../../src/format/service.ts';
import { gateService } from '../../../src/site/gate/gate-service.ts';
import { context, type ListeningContext } from '../../support/context.ts';
import { release, service } from '../../support/deployed.ts';
import { expectCode } from '../../support/error.ts';
import { type FakeTarget, fakeTarget } from '../../support/fake-engine.ts';
import { json, startFakeServer } from '../../support/fake-server.ts';

let target: FakeTarget;
let results: GateResult[];

beforeEach(() => {
  target = fakeTarget();
  results = [];
});

const promptsKind = {
  name: 'prompts',
  code: 'internal',
  schema: deploymentShape.acceptance,
  maxBytes: 0,
  hint: '-',
} as const;

interface Asked {
  readonly health: Partial<Health>;
  readonly service?: Partial<RenderedService>;
  readonly prompts?: readonly object[];
  readonly port?: number;
}

let heard: ListeningContext;

/** The gate of a running service. */
function gate({ health, service: values, prompts = [], port = 1 }: Asked): Promise<void> {
  const one = service({
    ports: [{ name: 'http', address: '127.0.0.1', host: port, container: 80 }],
    health: {
      server: 'vllm',
      ...(health.server === 'command' ? {} : { port: 'http' }),
      startupSeconds: 1,
      startupLimitSeconds: 60,
      soakSeconds: 0,
      ...health,
    },
    ...values,
  });
  target.engine.run(one);
  const acceptance: readonly AcceptanceTest[] = checkDocument(
    promptsKind,
    prompts.map((each) => ({ service: 'server', model: 'tiny', prompt: 'hello', ...each })),
  );
  const whole = release({ services: [one], acceptance });
  heard = context();
  return gateService(
    { release: whole, service: one.name },
    { ...heard, target, keep: (each) => void results.push(each) },
  );
}

const checks = (): unknown[] => results.map(({ check, passed }) => [check, passed]);

/** A server that answers each path with JSON, or with a status. */
async function answering(
  paths: Readonly<Record<string, unknown>>,
): Promise<{ port: number; asked: () => string[]; bodies: () => unknown[] }> {
  const server = await startFakeServer({
    odd: (path, response) => {
      const answer = paths[path];
      if (answer === undefined) response.writeHead(404).end();
      else if (typeof answer === 'number') response.writeHead(answer).end();
      else json(response, answer);
      return true;
    },
  });
  return {
    port: server.port,
    asked: () => server.requests.map((each) => each.path),
    bodies: () => server.requests.map((each) => each.body),
  };
}

describe('when servers of each kind are asked', () => {
  it.each([
    ['vllm', '/health'],
    ['llama.cpp', '/health'],
    ['nim', '/v1/health/ready'],
    ['sglang', '/health_generate'],
    ['triton', '/v2/health/ready'],
    ['ollama', '/api/tags'],
    ['tgi', '/health'],
  ] as const)('%s at %s', async (server, path) => {
    const { port, asked } = await answering({ [path]: 200 });
    await gate({ health: { server }, port });
    expect(asked()).toEqual([path]);
  });

  it('runs a program in the container for those without a port', async () => {
    const ran: (readonly string[])[] = [];
    target.engine.inside = (_, command) => {
      ran.push(command);
      return { status: ran.length > 1 ? 0 : 7, output: '' };
    };
    await gate({ health: { server: 'command', command: ['/probe', '--ready'] } });
    expect(ran).toEqual([
      ['/probe', '--ready'],
      ['/probe', '--ready'],
    ]);
    expect(results[1]?.expected).toContain('status 0 of /probe --ready');
  });

  it('reports how the program ended', async () => {
    target.engine.inside = () => ({ status: 7, output: 'no database' });
    const health = { server: 'command', command: ['/probe'] } as const;
    const error = await expectCode(() => gate({ health }), 'gate-failed');
    expect(error.found).toBe('status 7: no database, no progress for 1 s');
  });

  it('does not wait for a program that hangs', async () => {
    target.runInside = async (_service, _command, signal) => {
      await new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true }),
      ).catch(() => undefined);
      return { status: 1, output: 'killed' };
    };
    const health = { server: 'command', command: ['/probe'] } as const;
    const error = await expectCode(() => gate({ health }), 'gate-failed');
    expect(error.found).toContain('killed, no progress');
  });
});

describe('when the model is asked for', () => {
  const openai = { data: [{ id: 'tiny' }, { id: 'sql-expert' }] };
  const adapters = [{ model: 'sql', name: 'sql-expert' }];

  it.each([
    ['vllm', { '/health': 200, '/v1/models': openai }, undefined, 1],
    ['vllm', { '/health': 200, '/v1/models': openai }, adapters, 2],
    ['triton', { '/v2/health/ready': 200, '/v2/models/tiny/ready': 200 }, undefined, 1],
    ['ollama', { '/api/tags': { models: [{ name: 'tiny:latest' }] } }, undefined, 1],
    [
      'llama.cpp',
      {
        '/health': 200,
        '/v1/models': openai,
        '/lora-adapters': [{ id: 0, path: '/adapters/sql/sql.gguf', scale: 1 }],
      },
      adapters,
      2,
    ],
  ] as const)('%s lists it (%#)', async (server, paths, loras, count) => {
    const { port } = await answering(paths);
    const values = loras === undefined ? {} : { service: { adapters: loras } };
    await gate({ health: { server, model: 'tiny' }, port, ...values });
    expect(results.filter((each) => each.check === 'model')).toHaveLength(count);
  });

  it.each([
    [
      'vllm',
      { '/health': 200, '/v1/models': { data: [{ id: 'tiny' }] } },
      '/v1/models lists sql-expert',
      'status 200, models: tiny',
    ],
    [
      'triton',
      { '/v2/health/ready': 200, '/v2/models/tiny/ready': 400 },
      '200 from /v2/models/tiny/ready',
      'status 400',
    ],
    [
      'ollama',
      { '/api/tags': { models: [{ name: 'tiny:7b' }] } },
      '/api/tags lists tiny',
      'status 200, models: tiny:7b',
    ],
    [
      'llama.cpp',
      { '/health': 200, '/v1/models': openai, '/lora-adapters': [{ path: '/other/sql.gguf' }] },
      '/lora-adapters lists a file in /adapters/sql/',
      'status 200, adapters: /other/sql.gguf',
    ],
  ] as const)('%s does not (%#)', async (server, paths, expected, found) => {
    const { port } = await answering(paths);
    const asked = gate({ health: { server, model: 'tiny' }, port, service: { adapters } });
    expect(await expectCode(() => asked, 'gate-failed')).toMatchObject({ expected, found });
  });
});

describe('when prompts are sent', () => {
  const reply = (content: string, tokens?: number): object => ({
    choices: [{ message: { content } }],
    ...(tokens === undefined ? {} : { usage: { completion_tokens: tokens } }),
  });
  const chat = '/v1/chat/completions';
  const person = {
    type: 'object',
    properties: { name: { type: 'string' } },
    required: ['name'],
  };

  it.each([
    [{ tokens: { min: 2, max: 3 } }, reply('a b', 2), true],
    [{ tokens: { min: 2, max: 3 } }, reply('a', 1), false],
    [{ tokens: { max: 3 } }, reply('a'), false],
    [{ jsonSchema: person }, reply('{"name":"Ada"}'), true],
    [{ jsonSchema: person }, reply('{"name":1}'), false],
  ])('holds the answer against %j (%#)', async (expected, answer, passes) => {
    const { port } = await answering({ '/health': 200, [chat]: answer });
    const asked = gate({ health: {}, port, prompts: [{ expect: expected }] });
    if (passes) await asked;
    else await expectCode(() => asked, 'gate-failed');
  });

  it('asks llama-server for an adapter by its number, and for the base model without', async () => {
    const loras = [
      { model: 'law', name: 'law-expert' },
      { model: 'sql', name: 'sql-expert' },
    ];
    const { port, bodies } = await answering({
      '/health': 200,
      '/lora-adapters': loras.map(({ model }, id) => ({
        id,
        path: `/adapters/${model}/a.gguf`,
        scale: 0,
      })),
      [chat]: reply('hello'),
      '/v1/completions': { choices: [{ text: 'hello' }] },
    });
    await gate({
      health: { server: 'llama.cpp' },
      port,
      service: { adapters: loras },
      prompts: [
        { expect: { equals: 'hello' } },
        { model: 'sql-expert', expect: { equals: 'hello' } },
        { model: 'law-expert', api: 'completions', expect: { equals: 'hello' } },
      ],
    });
    expect(bodies().slice(-3)).toMatchObject([
      { model: 'tiny' },
      { model: 'sql-expert', lora: [{ id: 1, scale: 1 }] },
      { model: 'law-expert', lora: [{ id: 0, scale: 1 }] },
    ]);
    expect(bodies().at(-3)).not.toHaveProperty('lora');
    expect(results.at(-1)?.found).toMatch(/^with adapter law-expert, /);
  });

  it('leaves the choice of an adapter to the model id on vLLM', async () => {
    const { port, bodies } = await answering({
      '/health': 200,
      '/v1/models': { data: [{ id: 'tiny' }, { id: 'sql-expert' }] },
      [chat]: reply('hello'),
    });
    await gate({
      health: {},
      port,
      service: { adapters: [{ model: 'sql', name: 'sql-expert' }] },
      prompts: [{ model: 'sql-expert', expect: { equals: 'hello' } }],
    });
    expect(bodies().at(-1)).not.toHaveProperty('lora');
  });

  it('uses the generate extension of Triton', async () => {
    const path = '/v2/models/tiny/generate';
    const { port, bodies } = await answering({
      '/v2/health/ready': 200,
      [path]: { text_output: 'hello' },
    });
    await gate({ health: { server: 'triton' }, port, prompts: [{ expect: { equals: 'hello' } }] });
    expect(bodies().at(-1)).toEqual({
      text_input: 'hello',
      max_tokens: 16,
      temperature: 0,
      stream: false,
      exclude_input_in_output: true,
    });
  });
});

describe('when a service takes its time', () => {
  it('is waited for as long as it makes progress, past its budget', async () => {
    let asks = 0;
    const { port } = await startFakeServer({
      odd: (path, response) => {
        if (path !== '/health' || ++asks > 8) return false;
        response.writeHead(503).end(`loaded ${asks * 10} %`);
        return true;
      },
    });
    await gate({ health: { startupSeconds: 1 }, port });
    expect(results[1]).toMatchObject({ check: 'readiness', passed: true });
    expect(results[1]?.milliseconds).toBeGreaterThan(1000);
  });

  it('is waited for as long as its log grows', async () => {
    let lines = 0;
    target.logs = async () => `shard ${++lines}`;
    let asks = 0;
    const { port } = await startFakeServer({
      odd: (path, response) => {
        if (path !== '/health' || ++asks > 8) return false;
        response.writeHead(503).end();
        return true;
      },
    });
    await gate({ health: { startupSeconds: 1 }, port });
    expect(results[1]).toMatchObject({ passed: true });
  });

  it('is waited for as long as it reads its model, although it answers and logs the same', async () => {
    let reads = 0;
    target.resourceUse = async () => ({ readBytes: ++reads * 64 * MIB, memoryBytes: 512 * MIB });
    target.logs = async () => 'starting\nloading the model\n';
    let asks = 0;
    const { port } = await startFakeServer({
      odd: (path, response) => {
        if (path !== '/health' || ++asks > 8) return false;
        response.writeHead(503).end('Loading model');
        return true;
      },
    });
    await gate({ health: { startupSeconds: 1 }, port });
    expect(results[1]).toMatchObject({ check: 'readiness', passed: true });
    expect(results[1]?.milliseconds).toBeGreaterThan(1000);
    const shown = heard.events.filter(
      (each) => each.type === 'progress' && each.task === 'wait for server',
    );
    expect(shown.at(-1)).toMatchObject({
      ...{ unit: 'seconds', total: 60, done: expect.any(Number) },
      subject: expect.stringMatching(
        /^no progress for 0 s of 1 s, [1-9]\d*\.0 MiB read, 512\.0 MiB in memory, last line: loading the model$/,
      ),
    });
  });

  it('is not waited for longer than its limit, whatever its progress', async () => {
    let asks = 0;
    const { port } = await startFakeServer({
      odd: (_, response) => {
        response.writeHead(503).end(String(++asks));
        return true;
      },
    });
    const asked = gate({ health: { startupSeconds: 60, startupLimitSeconds: 1 }, port });
    const error = await expectCode(() => asked, 'gate-failed');
    expect(error.found).toBe('status 503 after 1 s in total');
  });
});

describe('when a service is ready and does not stay so', () => {
  it('is kept after a soak in which it answered', async () => {
    const { port, asked } = await answering({ '/health': 200 });
    await gate({ health: { soakSeconds: 1 }, port });
    expect(checks()).toEqual([
      ['process', true],
      ['readiness', true],
      ['soak', true],
    ]);
    expect(asked().length).toBeGreaterThan(2);
  });

  it('is not kept when it stops answering', async () => {
    let asks = 0;
    const { port } = await startFakeServer({
      odd: (_, response) => {
        response.writeHead(++asks > 1 ? 500 : 200).end();
        return true;
      },
    });
    const error = await expectCode(() => gate({ health: { soakSeconds: 5 }, port }), 'gate-failed');
    expect(error.found).toBe('status 500 after 0 s');
    expect(checks().at(-1)).toEqual(['soak', false]);
  });

  it.each([
    [
      'it ended',
      { state: 'stopped', detail: 'exit code 139' },
      'the process exited (exit code 139) after 0 s',
    ],
    [
      'it was started again',
      { state: 'running', detail: '', startedAt: 'b' },
      'the process exited and was restarted after 0 s',
    ],
    [
      'its unit was',
      { state: 'running', detail: '', startedAt: 'a', restarts: 1 },
      'the process exited and was restarted after 0 s',
    ],
  ] as const)('is not kept when %s while it was asked', async (_, after, found) => {
    const { port } = await startFakeServer({
      odd: (path) => {
        if (path === '/v1/models') target.engine.running = () => after;
        return false;
      },
    });
    target.engine.running = () => ({ state: 'running', detail: '', startedAt: 'a', restarts: 0 });
    const error = await expectCode(() => gate({ health: { model: 'tiny' }, port }), 'gate-failed');
    expect(error.found).toBe(found);
    expect(checks().at(-1)).toEqual(['process', false]);
  });
});
