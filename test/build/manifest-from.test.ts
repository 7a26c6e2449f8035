import { describe, expect, it } from 'vitest';
import { manifestFromCompose } from '../../src/build/manifest-from-compose.ts';
import { manifestFromFolder } from '../../src/build/manifest-from-folder.ts';
import { type Manifest, manifestKind } from '../../src/format/manifest.ts';
import { readYaml, salvageYaml } from '../../src/format/yaml-document.ts';

const compose = `
name: My Chat
services:
  llm:
    image: vllm/vllm-openai:\${VLLM_TAG:-v0.12.0}
    command: --served-model-name chat --chat-template "/etc/chat template.jinja" /models/chat
    environment:
      - HF_TOKEN=hf_abc
      - LOG_LEVEL=on
    ports: ["127.0.0.1:8001:8000/tcp"]
    volumes: ["./weights:/models/chat:ro", "cache:/root/.cache"]
    shm_size: 2gb
    ulimits: { memlock: -1, nofile: { soft: 1024, hard: 65536 }, nproc: 5 }
    deploy:
      resources:
        limits: { memory: 1.5G, cpus: "4" }
        reservations: { devices: [{ driver: nvidia, count: 2, capabilities: [gpu] }] }
    restart: always
  web:
    build: .
    entrypoint: ["node", "server.js"]
    depends_on: { llm: { condition: service_healthy } }
    healthcheck: { test: ["CMD-SHELL", "wget -q http://localhost/health || exit 1"] }
    ports: [{ target: 3000, published: 80 }]
    volumes: ["./web:/srv"]
volumes: { cache: {} }
networks: { back: {} }
`;

const read = (text: string): Manifest => readYaml(manifestKind, Buffer.from(text), 'stowage.yaml');

describe('when a manifest is made from a compose file', () => {
  const text = manifestFromCompose(salvageYaml(Buffer.from(compose)), 'compose.yaml', 'folder');

  it('has what the file has: images, arguments, ports, volumes, limits and health', () => {
    const image = '\nimages:\n  - name: vllm-openai\n    source: "vllm/vllm-openai:v0.12.0"\n';
    expect(text).toContain(image);
    expect(text).toContain('    memory: 1536MiB\n    sharedMemory: 2GiB\n');
    // The image that compose builds is for a person to name.
    const { services, models, files, name } = read(
      text.replace(image, `${image}  - { name: web-2, source: "r.example/web:1" }\n`),
    );
    expect(name).toBe('my-chat');
    expect(models).toMatchObject([{ name: 'weights', source: './weights' }]);
    expect(files).toMatchObject([{ name: 'web', source: './web' }]);
    expect(services[0]).toMatchObject({
      name: 'llm',
      args: [
        ...['--served-model-name', 'chat', '--chat-template'],
        ...['/etc/chat template.jinja', '/models/chat'],
      ],
      env: { LOG_LEVEL: 'on' },
      ports: [{ name: 'http', container: 8000, host: 8001 }],
      mounts: [
        { model: 'weights', path: '/models/chat' },
        { memory: 2 ** 30, path: '/root/.cache' },
      ],
      sharedMemory: 2 * 2 ** 30,
      memory: 1.5 * 2 ** 30,
      cpus: 4,
      gpus: 2,
      ulimits: { memlock: 'unlimited', nofile: 65_536 },
      health: { server: 'vllm', port: 'http' },
    });
    expect(services[1]).toMatchObject({
      entrypoint: 'node',
      args: ['server.js'],
      dependsOn: ['llm'],
      ports: [{ container: 3000, host: 80 }],
      health: { command: ['/bin/sh', '-c', 'wget -q http://localhost/health || exit 1'] },
    });
  });

  it('names its folders from where the manifest is', () => {
    const made = manifestFromCompose(
      { services: { a: { image: 'r.example/a:1', volumes: ['./weights:/models'] } } },
      'c.yaml',
      'My Folder',
      (path) => `../other/${path.slice(2)}`,
    );
    const { name, models } = read(made);
    expect(models[0]).toMatchObject({ source: '../other/weights', outside: true });
    expect(name).toBe('my-folder');
  });

  it('accepts no license on its own', () => {
    expect(read(text.replace('image: web-2', 'image: vllm-openai')).models[0]).not.toHaveProperty(
      'licenses',
    );
    expect(text).toContain('    # licenses: [');
  });

  it.each<[string, unknown, boolean]>([
    ['a mount', './web:/srv', true],
    ['a mount with other options', './web:/srv:Z,rw', true],
    ['a read-only mount', './web:/srv:Z,ro', false],
    ['a mount in long form', { type: 'bind', source: './web', target: '/srv' }, true],
    ['a read-only mount in long form', { source: './web', target: '/srv', read_only: true }, false],
  ])('says of %s if compose lets it be written', (_, volume, isWritable) => {
    const services = { a: { image: 'r.example/a:1', volumes: [volume] } };
    const made = manifestFromCompose({ services }, 'c.yaml', 'My Folder');
    expect(made.includes('# Writable in compose; read-only here.')).toBe(isWritable);
    expect(read(made).services[0]?.mounts).toMatchObject([{ files: 'web', path: '/srv' }]);
  });

  it('never contains the value of a secret, and says what it left out', () => {
    expect(text).not.toContain('hf_abc');
    expect(text).toContain('HF_TOKEN is a secret');
    expect(text).toContain('# Not taken: restart.');
    expect(text).toContain('# Not taken: build.');
    expect(text).toContain('# Not taken from compose.yaml: networks.');
  });

  it.each([
    ['a text with a line break', 'a\n  name: b'],
    ['a text with quotes', '"} , { x: "'],
    ['a keyword', 'true'],
    ['a comment', '# x'],
  ])('keeps %s one value', (_, value) => {
    const made = manifestFromCompose(
      { services: { a: { image: 'r.example/a:1', command: [value], environment: { A: value } } } },
      'c.yaml',
      'My Folder',
    );
    expect(read(made).services[0]).toMatchObject({ args: [value], env: { A: value } });
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['a list', { services: [] }],
    [
      'fields of other types',
      { services: { a: { image: 7, ports: 'x', volumes: {}, command: {} } } },
    ],
  ])('does not fail for %s', (_, value) => {
    expect(manifestFromCompose(value, 'c.yaml', '...')).toContain('apiVersion: stowage/v1');
  });
});

describe('when a manifest is made from the folder of a model', () => {
  it('serves safetensors on vLLM, with the context of the model', () => {
    const text = manifestFromFolder({
      source: './My Model',
      names: ['config.json', 'model.safetensors'],
      config: { architectures: ['LlamaForCausalLM'], max_position_embeddings: 131_072 },
    });
    const { services, models } = read(text);
    expect(text).toContain('# LlamaForCausalLM, as config.json says.');
    expect(models).toMatchObject([{ name: 'my-model', source: './My Model' }]);
    expect(services[0]).toMatchObject({
      entrypoint: 'vllm',
      health: { server: 'vllm', model: 'my-model' },
    });
    expect(services[0]?.args).toEqual(
      expect.arrayContaining(['serve', '/models/my-model', '32768']),
    );
  });

  it('serves the first part of a GGUF model on llama-server', () => {
    const { services, models } = read(
      manifestFromFolder({
        source: '../own',
        names: ['b-00002-of-00002.gguf', 'b-00001-of-00002.gguf', 'mmproj-b.gguf'],
        config: undefined,
      }),
    );
    expect(models[0]).toMatchObject({ source: '../own', outside: true });
    expect(services[0]?.args).toContain('/models/own/b-00001-of-00002.gguf');
    expect(services[0]?.health?.server).toBe('llama.cpp');
  });
});
