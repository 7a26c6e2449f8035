import { readdirSync, readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { StowageError } from '../../../src/core/error.ts';
import { MAX_ANSWER_BYTES } from '../../../src/core/limits.ts';
import type { RenderedService } from '../../../src/format/containers.ts';
import { type AcceptanceTest, deploymentShape } from '../../../src/format/deployment.ts';
import { checkDocument, writeCanonical } from '../../../src/format/document.ts';
import { type GateResult, receiptKind } from '../../../src/format/receipt.ts';
import type { Health } from '../../../src/format/service.ts';
import { type GateContext, gateService } from '../../../src/site/gate/gate-service.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { brokenWay } from '../../support/broken-way.ts';
import { context } from '../../support/context.ts';
import { release, service } from '../../support/deployed.ts';
import { expectCode } from '../../support/error.ts';
import { type FakeTarget, fakeTarget } from '../../support/fake-engine.ts';
import { type Behaviour, json, startFakeServer } from '../../support/fake-server.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder();
let target: FakeTarget;
let results: GateResult[];

beforeEach(() => {
  target = fakeTarget();
  results = [];
});

const gating = (): GateContext => ({
  ...context(),
  target,
  keep: (each) => void results.push(each),
});

/** A running service on a port, and what is asked of it. */
async function asked(
  port: number,
  health: Partial<Health> = {},
  prompts: readonly object[] = [],
): Promise<() => Promise<void>> {
  const one: RenderedService = service({
    ports: [{ name: 'http', address: '127.0.0.1', host: port, container: 80 }],
    health: {
      server: 'vllm',
      port: 'http',
      startupSeconds: 1,
      startupLimitSeconds: 60,
      soakSeconds: 0,
      ...health,
    },
  });
  target.engine.run(one);
  const acceptance: readonly AcceptanceTest[] = checkDocument(
    {
      name: 'prompts',
      code: 'internal',
      schema: deploymentShape.acceptance,
      maxBytes: 0,
      hint: '',
    },
    prompts.map((each) => ({ service: 'server', model: 'tiny', ...each })),
  );
  const whole = release({ services: [one], acceptance });
  return () => gateService({ release: whole, service: one.name }, gating());
}

/** What the last check said, when the gate fails at it; the receipt can be written all the same. */
async function failing(
  behaviour: Behaviour,
  health: Partial<Health> = {},
  prompts: readonly object[] = [],
): Promise<GateResult> {
  const { port } = await startFakeServer(behaviour);
  const error = await expectCode(await asked(port, health, prompts), 'gate-failed');
  expect(error.defects).toEqual([target.engine.log]);
  const last = results.at(-1);
  if (last === undefined) throw new Error('no check');
  expect(last.passed).toBe(false);
  expect(results.slice(0, -1).every((each) => each.passed)).toBe(true);
  expect(error).toMatchObject({ expected: last.expected, found: last.found });
  writeCanonical(receiptKind, {
    schema: 'stowage/receipt/v2',
    site: 'site',
    at: '2026-11-21T10:00:00Z',
    tool: 'stowage',
    intent: 'install',
    outcome: 'rolled-back',
    generation: 0,
    releases: [],
    generations: [],
    held: { blobs: 0, bytes: 0 },
    health: [],
    host: { platform: 'linux/amd64', kernel: '6.1', engine: 'podman 5', labels: {} },
    gates: results,
    ledger: { number: 0, digest: '0'.repeat(128) },
  });
  return last;
}

/** Makes the running service one of three replicas, so many of which are ready at each look; the last stays. */
function replicated(ready: readonly number[]): () => number {
  const { state } = target;
  let look = -1;
  const now = (): number => ready[Math.min(Math.max(look, 0), ready.length - 1)] ?? 0;
  target.state = async (...args) => {
    look += 1;
    return { ...(await state(...args)), replicas: { ready: now(), wanted: 3 } };
  };
  return now;
}

const hello = { prompt: 'hello', withinSeconds: 1, expect: { contains: 'hello' } };

describe('when a service is as it should be', () => {
  it('passes every check, in order, with what was asked', async () => {
    const server = await startFakeServer({});
    await (
      await asked(server.port, { model: 'tiny' }, [hello, { ...hello, api: 'completions' }])
    )();
    expect(results.map(({ check, passed }) => [check, passed])).toEqual([
      ['process', true],
      ['readiness', true],
      ['model', true],
      ['acceptance', true],
      ['acceptance', true],
    ]);
    expect(server.requests.map((each) => each.path)).toEqual([
      '/health',
      '/v1/models',
      '/v1/chat/completions',
      '/v1/completions',
    ]);
    expect(server.requests.at(-1)?.body).toEqual({
      model: 'tiny',
      prompt: 'hello',
      max_tokens: 16,
      temperature: 0,
    });
  });

  it('records what was found, and not what was expected', async () => {
    const { port } = await startFakeServer({
      models: ['tiny', 'other'],
      answer: () => `hello ${'x'.repeat(5000)}`,
    });
    await (await asked(port, { model: 'tiny' }, [hello]))();
    const found = results.map((each) => each.found);
    expect(found.slice(0, 3)).toEqual([
      'running since 2026-11-21T10:00:00Z',
      expect.stringMatching(/^\/health: ready after [0-9.]+ m?s$/),
      'models: tiny, other',
    ]);
    expect(found[3]).toMatch(/^from model tiny.*: "hello x+ \.\.\.$/);
    expect(found[3]?.length).toBeLessThan(1100);
    expect(results[3]?.expected).toMatch(
      /^model tiny answers "hello" with text that contains "hello"/,
    );
  });

  it('waits while it loads', async () => {
    const server = await startFakeServer({ notReadyFor: 2 });
    await (await asked(server.port, { startupSeconds: 5 }))();
    expect(server.requests).toHaveLength(3);
  });

  it('waits until every replica is ready, and asks one of them', async () => {
    const server = await startFakeServer({});
    const gate = await asked(server.port, { startupSeconds: 5 }, [hello]);
    const ready = replicated([1, 1, 2, 3]);
    await gate();
    expect(ready()).toBe(3);
    expect(results.map(({ check, passed }) => [check, passed])).toEqual([
      ['process', true],
      ['readiness', true],
      ['acceptance', true],
    ]);
    expect(server.requests.filter(({ path }) => path === '/v1/chat/completions')).toHaveLength(1);
  });

  it('asks no more of a service without health than that it runs', async () => {
    const one = service();
    target.engine.run(one);
    await gateService({ release: release({ services: [one] }), service: one.name }, gating());
    expect(results).toMatchObject([{ check: 'process', passed: true }]);
  });

  it('asks a service on the network of the host where it listens itself', async () => {
    const { port } = await startFakeServer({});
    const one = service({
      network: 'host',
      ports: [{ name: 'http', address: '127.0.0.1', host: 1, container: port }],
      health: {
        server: 'nim',
        port: 'http',
        path: '/health',
        startupSeconds: 1,
        startupLimitSeconds: 60,
        soakSeconds: 0,
      },
    });
    target.engine.run(one);
    await gateService({ release: release({ services: [one] }), service: one.name }, gating());
    expect(results.at(-1)).toMatchObject({ check: 'readiness', passed: true });
  });

  it.each([
    [{ equals: ' hello\n' }, true],
    [{ equals: 'hell' }, false],
    [{ contains: 'ell' }, true],
    [{ contains: 'Hello' }, false],
    [{ matches: '^h.*o$' }, true],
    [{ matches: '^\\p{Lu}' }, false],
  ])('holds the answer against %j', async (expected, passes) => {
    const { port } = await startFakeServer({});
    const run = await asked(port, {}, [{ ...hello, expect: expected }]);
    if (passes) await run();
    else await expectCode(run, 'gate-failed');
  });

  it('asks each service its own prompts only', async () => {
    const server = await startFakeServer({});
    const one = service({
      ports: [{ name: 'http', address: '127.0.0.1', host: server.port, container: 80 }],
      health: {
        server: 'vllm',
        port: 'http',
        startupSeconds: 1,
        startupLimitSeconds: 60,
        soakSeconds: 0,
      },
    });
    target.engine.run(one);
    const foreign = { ...hello, service: 'other', model: 'x', api: 'chat', maxTokens: 1 } as const;
    const whole = release({ services: [one], acceptance: [foreign] });
    await gateService({ release: whole, service: one.name }, gating());
    expect(server.requests.map((each) => each.path)).toEqual(['/health']);
  });
});

describe('when a service is not as it should be', () => {
  it.each(['absent', 'stopped'] as const)('says that it is %s', async (state) => {
    target.engine.running = () => ({ state, detail: 'exit code 137 (out of memory)' });
    const last = await failing({});
    expect(last).toMatchObject({
      check: 'process',
      found: `${state} exit code 137 (out of memory)`,
    });
  });

  it('reports that there is no response', async () => {
    const server = await startFakeServer({});
    await server.close();
    const error = await expectCode(await asked(server.port), 'gate-failed');
    expect(error.found).toBe('no response, no progress for 1 s');
  });

  it('says with what status it refuses to be ready', async () => {
    const last = await failing({ notReadyFor: 1000 });
    expect(last).toMatchObject({
      check: 'readiness',
      found: 'status 503, no progress for 1 s',
    });
  });

  it('does not wait longer than the limit for a server that hangs', async () => {
    const last = await failing({ odd: () => true });
    expect(last).toMatchObject({
      check: 'readiness',
      found: 'no response, no progress for 1 s',
    });
  });

  it('says that the process exited while it loaded', async () => {
    let looks = 0;
    target.engine.running = () => {
      looks += 1;
      const state = looks > 2 ? 'stopped' : 'running';
      return { state, detail: 'exit code 1', startedAt: 'a' };
    };
    const last = await failing({ notReadyFor: 1000 }, { startupSeconds: 60 });
    expect(last.found).toBe('the process exited (exit code 1) while loading');
  });

  it('says that the process was restarted while it loaded', async () => {
    let looks = 0;
    target.engine.running = () => {
      looks += 1;
      return { state: 'running', detail: '', startedAt: String(looks) };
    };
    const last = await failing({ notReadyFor: 1000 }, { startupSeconds: 60 });
    expect(last.found).toContain('and was restarted');
  });

  const models: readonly (readonly [string, Behaviour, string])[] = [
    ['others', { models: ['a', 'b'] }, 'status 200, models: a, b'],
    ['none', { models: [] }, 'status 200, models: none'],
    ['no JSON', { odd: oddAt('/v1/models', 'oops') }, 'status 200, models: none'],
    [
      'JSON of another shape',
      { odd: oddAt('/v1/models', '{"data":7}') },
      'status 200, models: none',
    ],
    ['null', { odd: oddAt('/v1/models', 'null') }, 'status 200, models: none'],
    [
      'half a surrogate pair',
      { odd: oddAt('/v1/models', '{"data":[{"id":"\\ud800"}]}') },
      'models: \ufffd',
    ],
  ];

  it.each(models)('says which models it lists: %s', async (_, behaviour, found) => {
    const last = await failing(behaviour, { model: 'tiny' });
    expect(last.check).toBe('model');
    expect(last.found).toContain(found);
  });

  const answers: readonly (readonly [string, Behaviour, string])[] = [
    ['a wrong one', { answer: () => 'good bye' }, '"good bye"'],
    ['an empty one', { answer: () => '' }, '""'],
    ['control characters', { answer: () => '\u001b[2J' }, '"\\u001b[2J"'],
    ['half a surrogate pair', { answer: () => '\ud800' }, '"\\ud800"'],
    ['no JSON', { odd: oddAt('/v1/chat/completions', '<html>') }, 'status 200: "<html>"'],
    ['no choices', { odd: oddAt('/v1/chat/completions', '{"choices":[]}') }, 'status 200'],
    ['null', { odd: oddAt('/v1/chat/completions', 'null') }, 'status 200: "null"'],
    [
      'a number for a text',
      { odd: oddAt('/v1/chat/completions', '{"choices":[{"message":{"content":7}}]}') },
      'status 200',
    ],
    ['status 500', { odd: oddAt('/v1/chat/completions', 'hello', 500) }, 'status 500: "hello"'],
    ['an answer of a hundred kilobytes', { answer: () => 'x'.repeat(100_000) }, 'xxxx ...'],
    [
      'an answer that is too long',
      { answer: () => 'hello'.repeat(MAX_ANSWER_BYTES / 5 + 1) },
      'no response within 1 s',
    ],
    ['silence', { odd: (path) => path === '/v1/chat/completions' }, 'no response within 1 s'],
    [
      'a reset',
      {
        odd: (path, response) =>
          path === '/v1/chat/completions' && response.socket?.destroy() !== undefined,
      },
      'no response within 1 s',
    ],
  ];

  it.each(answers)(
    'reports what the server returned instead of an answer: %s',
    async (_, behaviour, found) => {
      const last = await failing(behaviour, {}, [hello]);
      expect(last.check).toBe('acceptance');
      expect(last.found).toContain(found);
      expect(last.found.length).toBeLessThan(5000);
    },
  );

  it('writes a receipt also of a prompt that is as long as prompts may be', async () => {
    const long = '\u{1f600}'.repeat(32_000);
    const last = await failing({ answer: () => '' }, {}, [{ ...hello, prompt: long }]);
    expect(last.expected.length).toBeLessThan(5000);
  });

  it('keeps the complete log at the site, and names the file', async () => {
    target.engine.log = ['RuntimeError: no room', ...Array.from({ length: 90 }, () => 'x')].join(
      '\n',
    );
    const site = new SiteFolder(scratch.fresh('site'));
    const one = service();
    target.engine.running = () => ({ state: 'stopped', detail: 'exit code 1' });
    const of = { release: release({ services: [one] }), service: one.name };
    const error = await expectCode(() => gateService(of, { ...gating(), site }), 'gate-failed');
    const [name = ''] = readdirSync(site.path('logs'));
    expect(error.hint).toContain(site.path('logs', name));
    expect(readFileSync(site.path('logs', name), 'utf8')).toBe(target.engine.log);
    expect(error.defects[0]).toBe('line 1: RuntimeError: no room');
  });

  it('keeps its own reason when the log cannot be read', async () => {
    target.logs = () => Promise.reject(new Error('gone'));
    const { port } = await startFakeServer({ models: [] });
    const error = await expectCode(await asked(port, { model: 'tiny' }), 'gate-failed');
    expect(error.defects).toEqual([]);
  });
});

describe('when the way to a service breaks', () => {
  it.each<[string, number, 'hold' | 'cut']>([
    ['readiness', 1, 'hold'],
    ['readiness', 1, 'cut'],
    ['model', 2, 'cut'],
    ['acceptance', 3, 'hold'],
    ['acceptance', 3, 'cut'],
    ['soak', 4, 'cut'],
  ])(
    'asks again instead of judging the service, at its %s: connection %s, %s',
    async (check, first, fault) => {
      const server = await startFakeServer({});
      const way = await brokenWay(server.port, { first, fault });
      target = Object.assign(fakeTarget(), { way });
      await (await asked(way.port, { model: 'tiny', soakSeconds: 1 }, [hello]))();
      expect(way.down()).toBeGreaterThan(0);
      expect(results.map((each) => [each.check, each.passed])).toContainEqual([check, true]);
      expect(results.every(({ passed }) => passed)).toBe(true);
    },
  );

  it('asks again with a command in the container', async () => {
    target = fakeTarget();
    let down = 0;
    const way = { down: () => down, reason: () => '', stands: async () => {} };
    Object.assign(target, { way });
    let runs = 0;
    target.runInside = async () => {
      runs += 1;
      if (runs > 2) return { status: 0, output: '' };
      down += 5000;
      throw new StowageError('engine-failed', 'no connection', { hint: 'connect' });
    };
    const limits = { startupSeconds: 1, startupLimitSeconds: 60, soakSeconds: 0 };
    const one = service({ health: { server: 'command', command: ['/bin/ready'], ...limits } });
    target.engine.run(one);
    await gateService({ release: release({ services: [one] }), service: one.name }, gating());
    expect([runs, results.every(({ passed }) => passed)]).toEqual([3, true]);
  });

  it('judges a service that does not answer over a way that stands', async () => {
    const server = await startFakeServer({ odd: (path) => path === '/v1/chat/completions' });
    const way = await brokenWay(server.port, { first: 1000, fault: 'cut' });
    target = Object.assign(fakeTarget(), { way });
    const error = await expectCode(await asked(way.port, {}, [hello]), 'gate-failed');
    expect(error.found).toBe('no response within 1 s');
    expect(server.requests.filter(({ path }) => path === '/v1/chat/completions')).toHaveLength(2);
  });

  it('names the way, and not the service, where it stays down', async () => {
    const server = await startFakeServer({});
    const way = await brokenWay(server.port, { first: 1, fault: 'cut' });
    const away = async (): Promise<never> => {
      throw new StowageError('engine-failed', 'the API server does not answer', {
        hint: 'check it',
      });
    };
    target = Object.assign(fakeTarget(), { way: { ...way, stands: away } });
    const error = await expectCode(await asked(way.port), 'engine-failed');
    expect(error.message).toBe('the API server does not answer');
  });

  it('sees a process that ended and was started again between two questions', async () => {
    const server = await startFakeServer({});
    const way = await brokenWay(server.port, { first: 1000, fault: 'cut' });
    target = Object.assign(fakeTarget(), { way });
    const { state } = target;
    let looks = 0;
    target.state = async (...args) => {
      looks += 1;
      const found = await state(...args);
      return looks < 6 ? found : { ...found, startedAt: '2026-11-21T11:00:00Z' };
    };
    const gate = await asked(way.port, { soakSeconds: 1 });
    const error = await expectCode(gate, 'gate-failed');
    expect(error.found).toMatch(/exited and was restarted/);
  });
});

describe('when it is interrupted', () => {
  it('ends with that, not with a failed gate', async () => {
    const { port } = await startFakeServer({ odd: () => true });
    const one = service({
      ports: [{ name: 'http', address: '127.0.0.1', host: port, container: 80 }],
      health: {
        server: 'vllm',
        port: 'http',
        startupSeconds: 60,
        startupLimitSeconds: 60,
        soakSeconds: 0,
      },
    });
    target.engine.run(one);
    const heard = context();
    const running = gateService(
      { release: release({ services: [one] }), service: one.name },
      { ...gating(), ...heard },
    );
    setTimeout(() => heard.controller.abort(), 20);
    await expectCode(() => running, 'interrupted');
  });
});

/** Answers a path with this body, and leaves the rest as usual. */
function oddAt(path: string, body: string, status = 200): NonNullable<Behaviour['odd']> {
  return (asking, response) => {
    if (asking !== path) return false;
    if (status === 200 && body.startsWith('{')) json(response, JSON.parse(body));
    else response.writeHead(status).end(body);
    return true;
  };
}
