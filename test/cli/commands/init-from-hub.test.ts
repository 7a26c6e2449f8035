import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Manifest, manifestKind } from '../../../src/format/manifest.ts';
import { readYaml } from '../../../src/format/yaml-document.ts';
import { type Hub, startHub } from '../../lab/hub.ts';
import { runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder();
let hub: Hub;

function folder(files: Readonly<Record<string, unknown>>): string {
  const path = scratch.fresh('model');
  mkdirSync(path);
  for (const [name, content] of Object.entries(files))
    writeFileSync(
      join(path, name),
      typeof content === 'string' ? content : JSON.stringify(content),
    );
  return path;
}

beforeAll(async () => {
  const repo = (name: string, files: Readonly<Record<string, unknown>>, license?: string) => ({
    name: `demo/${name}`,
    revisions: { main: folder(files) },
    ...(license === undefined ? {} : { license }),
  });
  hub = await startHub({
    repos: [
      repo(
        'Chat-8B',
        {
          'config.json': {
            architectures: ['LlamaForCausalLM'],
            max_position_embeddings: 131_072,
            auto_map: { AutoConfig: 'configuration_chat.Chat' },
          },
          'model.safetensors': 'x',
        },
        'apache-2.0',
      ),
      repo('Chat-8B-GGUF', {
        'chat-Q8_0.gguf': 'x',
        'chat-Q4_K_M-00001-of-00002.gguf': 'x',
        'chat-Q4_K_M-00002-of-00002.gguf': 'x',
      }),
      repo('embed', {
        'config.json': { architectures: ['BertModel'], hidden_size: 384 },
        'model.safetensors': 'x',
      }),
      repo('rank', {
        'config.json': { architectures: ['XLMRobertaForSequenceClassification'] },
        'model.safetensors': 'x',
      }),
    ],
  });
});

afterAll(() => hub?.stop());

/** The manifest that `stowage init --from` writes, as text and as it is read. */
async function made(from: string): Promise<{ text: string; manifest: Manifest }> {
  const cwd = scratch.fresh('cwd');
  mkdirSync(cwd);
  const ran = await runProgram(['init', '--from', from], cwd, { env: { HF_ENDPOINT: hub.url } });
  expect(ran.error).toBeUndefined();
  const bytes = readFileSync(join(cwd, 'stowage.yaml'));
  return { text: bytes.toString('utf8'), manifest: readYaml(manifestKind, bytes) };
}

describe('when a manifest is made from a model of a Hub', () => {
  it('serves safetensors on vLLM, with the context, the license and a word about code', async () => {
    const { text, manifest } = await made('hf://demo/Chat-8B');
    expect(manifest).toMatchObject({
      name: 'chat-8b',
      models: [{ source: 'hf://demo/Chat-8B@main', licenses: ['apache-2.0'] }],
      services: [{ health: { server: 'vllm', model: 'chat-8b' } }],
    });
    expect(manifest.services[0]?.args).toEqual(
      expect.arrayContaining(['--max-model-len', '32768']),
    );
    expect(manifest.services[0]?.args).not.toContain('--trust-remote-code');
    expect(text).toContain('# - --trust-remote-code');
  });

  it('serves the usual one of several quantizations on llama-server, with all its parts', async () => {
    const { text, manifest } = await made('hf://demo/Chat-8B-GGUF@main');
    expect(manifest.models).toMatchObject([
      { include: ['chat-Q4_K_M-*-of-00002.gguf', 'README.md', 'LICENSE*'] },
    ]);
    expect(manifest.services[0]).toMatchObject({ health: { server: 'llama.cpp' } });
    expect(manifest.services[0]?.args).toContain(
      '/models/chat-8b-gguf/chat-Q4_K_M-00001-of-00002.gguf',
    );
    expect(text).toContain('states no license');
  });

  it.each([
    ['embed', { api: 'embeddings', expect: { dimension: 384 } }],
    ['rank', { api: 'rerank' }],
  ])('tests what the architecture of %s does', async (name, test) => {
    const { manifest } = await made(`hf://demo/${name}`);
    expect(manifest.acceptance).toMatchObject([test]);
  });

  it.each([
    ['hf://demo/none', 'source-not-found'],
    ['hf://demo', 'manifest-invalid'],
    ['s3://bucket/model', 'usage-invalid'],
  ])('refuses %s, and writes nothing', async (from, code) => {
    const cwd = scratch.fresh('cwd');
    mkdirSync(cwd);
    const env = { HF_ENDPOINT: hub.url };
    const { error } = await runProgram(['init', '--from', from], cwd, { env });
    expect(error).toMatchObject({ code });
    expect(() => readFileSync(join(cwd, 'stowage.yaml'))).toThrow('ENOENT');
  });
});
