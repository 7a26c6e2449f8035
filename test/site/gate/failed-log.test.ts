import { readdirSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { keepLog, tellingLines } from '../../../src/site/gate/failed-log.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { release } from '../../support/deployed.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder();
const many = (count: number, text: string): string[] =>
  Array.from({ length: count }, (_, index) => `${text} ${index}`);

describe('when a service failed and its log is long', () => {
  it.each([
    ['vLLM', '(EngineCore pid=7) OSError: [Errno 28] No space left on device'],
    ['vLLM, a Python exception of a module', 'torch.OutOfMemoryError: CUDA out of memory.'],
    [
      'llama-server',
      "llama_model_load: error loading model: tensor 'x' data is not within the file",
    ],
    ['a program that panicked', "thread 'main' panicked at src/main.rs:1"],
    [
      'the loader',
      '/llama-server: error while loading shared libraries: libgomp.so.1: cannot open',
    ],
  ])('shows the line with the cause, however far it is from the end: %s', (_, cause) => {
    const log = [...many(92, 'INFO loading'), cause, ...many(63, '  File "x.py", line')].join('\n');
    const lines = tellingLines(log);
    expect(lines[0]).toBe(`line 93: ${cause}`);
    expect(lines.slice(1)).toEqual(many(63, '  File "x.py", line').slice(-20));
  });

  it.each([
    'INFO 0 errors while checking',
    'INFO args: --error_limit 3',
    'INFO no error',
    'loaded in 4 s',
  ])('does not take this for an error: %s', (line) => {
    expect(tellingLines([line, ...many(20, 'end')].join('\n'))).toEqual(many(20, 'end'));
  });

  it('shows the cause between the lines of a logged traceback, and no warning, as vLLM 0.32 writes them', () => {
    const logged = (text: string): string =>
      `(EngineCore pid=4182) ERROR 11-29 22:04:17 [core.py:1510] ${text}`;
    const cause = 'RuntimeError: Insufficient space in /dev/shm: 160 MiB required, 64 MiB free.';
    const log = [
      '(APIServer pid=9) WARNING 11-29 22:03:40 [system_utils.py:255] failed to increase with error x',
      logged('EngineCore failed to start.'),
      logged('Traceback (most recent call last):'),
      ...many(30, logged('  File "vllm/shm_broadcast.py", line 512, in __init__')),
      logged('    raise RuntimeError('),
      logged(cause),
      ...many(20, 'end'),
    ];
    expect(tellingLines(log.join('\n')).slice(0, -20)).toEqual([
      `line 2: ${logged('EngineCore failed to start.')}`,
      `line 35: ${logged(cause)}`,
    ]);
  });

  it('shows no line twice, and few and short ones of a flood', () => {
    expect(tellingLines('ValueError: x\n')).toEqual(['ValueError: x']);
    const flood = tellingLines(many(1000, `error ${'x'.repeat(10_000)}`).join('\n'));
    expect(flood).toHaveLength(25);
    expect(Math.max(...flood.map((line) => line.length))).toBeLessThan(600);
    expect(tellingLines('')).toEqual([]);
  });
});

describe('when the log of a failed service is kept', () => {
  it('is whole, readable by the user of the site only, and one of the last twenty', async () => {
    const site = new SiteFolder(scratch.fresh('site'));
    const of = { release: release(), service: 'server' };
    const log = many(5000, 'line').join('\n');
    let path = '';
    for (let second = 0; second < 22; second += 1)
      path = await keepLog(site, of, log, new Date(Date.UTC(2026, 10, 29, 14, 0, second)));
    expect(path).toBe(site.path('logs', '2026-11-29T140021Z-chat-server.log'));
    expect(readFileSync(path, 'utf8')).toBe(log);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(site.path('logs')).mode & 0o777).toBe(0o700);
    const names = readdirSync(site.path('logs'));
    expect(names).toHaveLength(20);
    expect(names.toSorted()[0]).toContain('140002Z');
  });
});
