import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Finding } from '../../src/format/finding.ts';
import { safetensorsFile } from '../lab/weights.ts';
import { examine, type Files, lockFindings, rulesOf, type Setting } from './examining.ts';

const json = (value: unknown): string => JSON.stringify(value);
const weights = { 'model.safetensors': safetensorsFile({}), 'tokenizer.json': '{}' };
const service = (more: object): Setting => ({
  manifest: {
    images: [{ name: 'server', source: 'registry.example/server:1' }],
    services: [
      { name: 'llm', image: 'server', mounts: [{ model: 'tiny', path: '/models/tiny' }], ...more },
    ],
  },
});

async function assets(files: Files, setting: Setting = {}): Promise<Finding[]> {
  const found = await lockFindings(files, setting);
  return found.filter(({ rule }) => rule.startsWith('asset-'));
}

describe('when a configuration refers to something that is not selected', () => {
  it.each<[string, Files, string[]]>([
    [
      'an adapter without its model',
      { 'adapter_config.json': json({ base_model_name_or_path: 'meta-llama/Llama-3.1-8B' }) },
      ['asset-base-model'],
    ],
    [
      'an adapter of a folder',
      { 'adapter_config.json': json({ base_model_name_or_path: '/data/llama' }) },
      [],
    ],
    [
      'an adapter of a model that is taken',
      { 'adapter_config.json': json({ base_model_name_or_path: 'demo/tiny' }) },
      [],
    ],
    [
      'a speculator',
      {
        'config.json': json({
          speculators_config: { verifier: { name_or_path: 'Qwen/Qwen3-8B' } },
        }),
      },
      ['asset-draft-model'],
    ],
    [
      'a draft model',
      { 'generation_config.json': json({ assistant_model: 'a/draft' }) },
      ['asset-draft-model'],
    ],
    [
      'a vision tower',
      { 'config.json': json({ mm_vision_tower: 'openai/clip-vit-large-patch14-336' }) },
      ['asset-model'],
    ],
    [
      'code of another repository',
      { 'config.json': json({ auto_map: { AutoModel: 'org/code--modeling.Model' } }) },
      ['asset-remote-code'],
    ],
    ['code of its own', { 'config.json': json({ auto_map: { AutoModel: 'modeling.Model' } }) }, []],
    [
      'a module of sentence-transformers',
      {
        'modules.json': json([
          { idx: 0, path: '', type: 'x.Transformer' },
          { idx: 1, path: '1_Pooling', type: 'x.Pooling' },
          { idx: 2, path: '2_Normalize', type: 'x.Normalize' },
        ]),
      },
      ['asset-module'],
    ],
    [
      'a module that is taken',
      { 'modules.json': json([{ path: '1_Pooling', type: 'x' }]), '1_Pooling/config.json': '{}' },
      [],
    ],
    [
      'a component of diffusers',
      {
        'model_index.json': json({
          _class_name: 'X',
          unet: ['diffusers', 'UNet'],
          safety_checker: [null, null],
        }),
      },
      ['asset-module'],
    ],
  ])('warns of %s', async (_, files, rules) => {
    expect((await assets(files)).map(({ rule }) => rule)).toEqual(rules);
  });

  it('reports every reference to code, and names a file that cannot be read', async () => {
    const files = {
      'config.json': json({
        auto_map: { AutoConfig: 'c.C', AutoTokenizer: ['t.T', null] },
        custom_pipelines: { summary: {} },
      }),
      'tokenizer_config.json': '{]}',
    };
    const said = await examine(files);
    expect(said.filter(({ rule }) => rule === 'auto-map')).toHaveLength(3);
    expect(rulesOf(said)).toEqual(['auto-map', 'config-unreadable']);
  });
});

describe('when include and exclude leave out a file that a server reads', () => {
  it.each<[string, Files, string[], string[]]>([
    [
      'a tokenizer',
      { 'model.safetensors': safetensorsFile({}), 'config.json': '{}' },
      ['tokenizer.model'],
      ['asset-tokenizer'],
    ],
    [
      'a chat template',
      { ...weights, 'config.json': '{}' },
      ['chat_template.jinja', 'README.md', 'other.bin'],
      ['asset-tokenizer'],
    ],
    ['nothing', { ...weights, 'config.json': '{}' }, ['pytorch_model.bin'], []],
  ])('warns of %s', async (_, files, left, rules) => {
    const said = await examine(files, { listed: [...Object.keys(files), ...left] });
    expect(rulesOf(said).filter((rule) => rule.startsWith('asset-'))).toEqual(rules);
  });
});

describe('when a glob of the manifest matches nothing', () => {
  const listed = ['UD-Q4_K_XL/model.gguf', 'model.safetensors', 'tokenizer.json'];
  const unmatched = async (model: object): Promise<string[]> =>
    (await lockFindings(weights, { model, listed }))
      .filter(({ rule }) => rule === 'glob-unmatched')
      .map(({ file, severity, message }) => `${file} ${severity} ${message}`);

  it.each<[object, string[]]>([
    [{ include: ['*.safetensors', 'UD-Q4*', 'tokenizer.json'] }, []],
    [{ include: ['*.safetensors', '*.{json,md}'] }, ['include "*.{json,md}"']],
    [{ exclude: ['UD-Q5*', 'UD-Q4*', 'original/'] }, ['exclude "UD-Q5*"', 'exclude "original/"']],
  ])('warns of %j', async (model, expected) => {
    expect(await unmatched(model)).toEqual(
      expected.map((glob) => `* warning ${glob} matches no file of the source`),
    );
  });

  it('warns of an allowance for a file that is not selected', async () => {
    const allow = [{ rule: 'pickle', file: 'pytorch_model.bin', reason: 'looked at' }];
    expect(await unmatched({ allow })).toEqual([
      '* warning allow pickle of "pytorch_model.bin" matches no file that is selected',
    ]);
  });

  it('offers a path with special characters as a glob that matches it', async () => {
    const files = { 'model.safetensors': safetensorsFile({}), 'config.json': '{}' };
    const found = await lockFindings(files, {
      listed: [...Object.keys(files), '[a]/tokenizer.json'],
    });
    expect(found.find(({ rule }) => rule === 'asset-tokenizer')?.offer).toContain(
      '"[[]a]/tokenizer.json"',
    );
  });
});

describe('when a service would download something at startup', () => {
  it.each<[string, object, string[]]>([
    ['a model by its name', { args: ['--model', 'org/other'] }, ['asset-model']],
    ['a model after serve', { args: ['serve', 'org/other'] }, ['asset-model']],
    ['a model in a variable', { env: { HF_MODEL_ID: 'org/other' } }, ['asset-model']],
    [
      'a model of llama.cpp with its kind',
      { args: ['-hf', 'org/other-GGUF:Q4_K_M'] },
      ['asset-model'],
    ],
    ['an adapter', { args: ['--lora-modules', 'sql=org/lora'] }, ['asset-model']],
    ['a tokenizer', { args: ['--tokenizer=org/other'] }, ['asset-tokenizer']],
    ['a configuration', { args: ['--hf-config-path', 'org/other'] }, ['asset-tokenizer']],
    [
      'a draft in JSON',
      { args: ['--speculative-config', '{"method":"eagle3","model":"org/eagle"}'] },
      ['asset-draft-model'],
    ],
    ['a draft', { args: ['--speculative_model', 'org/draft'] }, ['asset-draft-model']],
    ['an address', { args: ['--mmproj-url', 'https://x.example/mmproj.gguf'] }, ['asset-model']],
    ['kernels', { env: { VLLM_ATTENTION_BACKEND: 'FLASHINFER' } }, ['asset-kernel']],
    [
      'kernels that are given',
      { env: { VLLM_ATTENTION_BACKEND: 'FLASHINFER', FLASHINFER_CUBIN_DIR: '/cubins' } },
      [],
    ],
    ['a folder', { args: ['--model', '/models/tiny', '--served-model-name', 'org/name'] }, []],
    ['a relative file', { args: ['--model', 'models/tiny.gguf'] }, []],
    ['a template', { args: ['--model', '/models/${parameters.x}'] }, []],
  ])('warns of %s', async (_, more, rules) => {
    const setting = service(more);
    const manifest = {
      ...setting.manifest,
      parameters: { x: { type: 'string', default: 'a', description: 'x' } },
    };
    expect((await assets(weights, { manifest })).map(({ rule }) => rule)).toEqual(rules);
  });

  it('warns of the vocabularies of gpt-oss if the server is not llama.cpp', async () => {
    const files = { ...weights, 'config.json': json({ model_type: 'gpt_oss' }) };
    const [found] = await assets(files, service({}));
    expect(found).toMatchObject({ source: 'tiny', rule: 'asset-vocabulary' });
    const health = { server: 'llama.cpp', port: 'http' };
    const ports = [{ name: 'http', container: 1, host: 1 }];
    expect(await assets(files, service({ health, ports }))).toEqual([]);
    expect(await assets(files)).toEqual([]);
  });

  it('offers valid YAML that adds what is missing', async () => {
    const files = {
      ...weights,
      'config.json': json({ model_type: 'gpt_oss', auto_map: { A: 'org/Code.X--m.M' } }),
      'adapter_config.json': json({ base_model_name_or_path: 'org/Base_Model-2' }),
    };
    const found = await assets(
      files,
      service({ args: ['--speculative-model', 'org/draft'], env: { X: 'flashinfer' } }),
    );
    expect(found.map(({ rule }) => rule).sort()).toEqual([
      'asset-base-model',
      'asset-draft-model',
      'asset-kernel',
      'asset-remote-code',
      'asset-vocabulary',
    ]);
    for (const { offer } of found) expect(parse(offer ?? '[')).toBeTypeOf('object');
    expect(found.map(({ offer }) => offer).join('')).toContain(
      '- name: base-model-2\n    source: hf://org/Base_Model-2@main',
    );
  });
});

describe('when a service trusts remote code', () => {
  const files = { ...weights, 'modeling.py': 'pass' };
  const trusting = service({ args: ['--trust-remote-code'] });

  it.each([
    [{ args: ['--trust-remote-code'] }, true],
    [{ args: ['--trust_remote_code=true'] }, true],
    [{ env: { VLLM_TRUST_REMOTE_CODE: '1' } }, true],
    [{ args: ['--trust-remote-code'], mounts: [] }, false],
    [{}, false],
  ])('refuses the code of %j: %s', async (more, refused) => {
    expect(rulesOf(await examine(files, service(more))).includes('remote-code-trusted')).toBe(
      refused,
    );
  });

  it('accepts code that the manifest allows, and records the reason', async () => {
    const model = {
      allow: [{ rule: 'remote-code-trusted' as const, file: '*.py', reason: 'read it' }],
    };
    const found = await lockFindings(files, { ...trusting, model });
    expect(found.find(({ rule }) => rule === 'remote-code-trusted')?.allowed).toBe('read it');
  });
});
