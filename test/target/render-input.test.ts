import { describe, expect, it } from 'vitest';
import { StowageError } from '../../src/core/error.ts';
import type { Bundle } from '../../src/format/bundle.ts';
import { checkDocument } from '../../src/format/document.ts';
import { type Service, service } from '../../src/format/service.ts';
import { adapterArguments } from '../../src/target/render-input.ts';
import * as samples from '../format/samples.ts';
import { expectCode } from '../support/error.ts';

const kind = {
  name: 'service',
  code: 'manifest-invalid',
  schema: service,
  maxBytes: 0,
  hint: '-',
} as const;
const adapters = [
  { model: 'sql', name: 'sql-expert' },
  { model: 'law', name: 'org/law:v2' },
];

function serving(server: string, values: object = {}): Service {
  const health = { server, port: 'http', ...(server === 'http' ? { path: '/' } : {}) };
  return checkDocument(kind, { ...samples.service(), adapters, health, ...values });
}

const bundle = {
  models: [
    { name: 'sql', files: [{ path: 'README.md' }, { path: 'a/sql.gguf' }] },
    { name: 'law', files: [{ path: 'law.GGUF' }] },
    { name: 'two', files: [{ path: 'a.gguf' }, { path: 'b.gguf' }] },
    { name: 'comma', files: [{ path: 'a,b.gguf' }] },
    { name: 'none', files: [{ path: 'adapter_model.safetensors' }] },
  ],
} as unknown as Bundle;

describe('when a server is told of adapters', () => {
  const pairs = ['sql-expert=/adapters/sql', 'org/law:v2=/adapters/law'];

  it.each([
    ['vllm', ['--enable-lora', '--lora-modules', ...pairs], {}],
    [
      'llama.cpp',
      ['--lora-scaled', '/adapters/sql/a/sql.gguf:0', '--lora-scaled', '/adapters/law/law.GGUF:0'],
      {},
    ],
    ['sglang', ['--lora-paths', ...pairs], {}],
    ['tgi', [], { LORA_ADAPTERS: pairs.join(',') }],
  ])('%s', (server, args, env) => {
    expect(adapterArguments(serving(server), bundle)).toEqual({ args, env });
  });

  it('is told nothing where there are none', () => {
    const none = serving('vllm', { adapters: [] });
    expect(adapterArguments(none, bundle)).toEqual({ args: [], env: {} });
  });

  it.each(['two', 'none', 'absent', 'comma'])(
    'refuses for llama.cpp what is not one file that its argument can name: %s',
    async (model) => {
      const one = serving('llama.cpp', { adapters: [{ model, name: 'x' }] });
      await expectCode(() => adapterArguments(one, bundle), 'document-invalid');
    },
  );
});

describe('when a manifest names adapters', () => {
  const cases: readonly [string, string, object, string][] = [
    ['a server that takes none', 'ollama', {}, 'a server of kind ollama does not support adapters'],
    ['a NIM', 'nim', {}, 'only vllm, llama.cpp, sglang, tgi do'],
    ['a server of any kind', 'http', {}, 'a server of kind http does not support adapters'],
    [
      'no health',
      'vllm',
      { health: undefined },
      'a service without health does not support adapters',
    ],
    [
      'the argument by hand',
      'vllm',
      { args: ['--lora-modules', 'a=b'] },
      '--lora-modules is also set explicitly',
    ],
    [
      'the argument with =',
      'sglang',
      { args: ['--lora-paths=a=b'] },
      '--lora-paths is also set explicitly',
    ],
    [
      'another argument that loads them',
      'llama.cpp',
      { args: ['--lora', '/models/a.gguf'] },
      '--lora is also set explicitly',
    ],
    [
      'the variable by hand',
      'tgi',
      { env: { LORA_ADAPTERS: 'a' } },
      'LORA_ADAPTERS is also set explicitly',
    ],
    [
      'one name twice',
      'vllm',
      {
        adapters: [
          { model: 'a', name: 'x' },
          { model: 'b', name: 'x' },
        ],
      },
      'two adapters have the same name',
    ],
    [
      'one model twice',
      'vllm',
      {
        adapters: [
          { model: 'a', name: 'x' },
          { model: 'a', name: 'y' },
        ],
      },
      'two adapters have the same model',
    ],
    [
      'a name that cuts the argument',
      'vllm',
      { adapters: [{ model: 'a', name: 'x=y' }] },
      'expected a model id',
    ],
    [
      'a name that cuts the list',
      'tgi',
      { adapters: [{ model: 'a', name: 'x,y' }] },
      'expected a model id',
    ],
    [
      'a mount in their place',
      'vllm',
      { mounts: [{ memory: 1, path: '/adapters/a' }] },
      'conflicts with the folder of the adapters',
    ],
  ];
  it.each(cases)('refuses %s', (_, server, values, defect) => {
    const { health: _health, ...rest } = { health: 1, ...values } as Record<string, unknown>;
    const without = 'health' in values;
    let found = '';
    try {
      if (without) {
        const { health: __, ...plain } = samples.service();
        checkDocument(kind, { ...plain, adapters, ...rest });
      } else serving(server, values);
    } catch (error) {
      if (error instanceof StowageError) found = error.defects.join('\n');
    }
    expect(found).toContain(defect);
  });
});
