import { parseDigest } from '../../../src/core/digest.ts';
import { GIB } from '../../../src/core/limits.ts';
import type { RenderedImage, RenderedService } from '../../../src/format/containers.ts';
import { service as deployed } from '../../support/deployed.ts';

const image: RenderedImage = {
  repository: 'chat-1/server',
  manifest: parseDigest(`sha256:${'a'.repeat(64)}`),
  config: parseDigest(`sha256:${'b'.repeat(64)}`),
  tag: 'localhost/stowage/chat-1/server:1.4.0',
};

/** A service with these values, and the least of everything else. */
export function service(values: Partial<RenderedService> = {}): RenderedService {
  return deployed({ release: 'chat-1', name: 'llm', unit: 'stowage-chat-1-llm', image, ...values });
}

const networks = ['stowage-chat-1--published', 'stowage-chat-1'];
const token = { name: 'stowage-chat-1-token-0123456789ab', path: '/run/secrets/token' };

/** Services like those of the worked manifests, by the names of their golden files. */
export const services: Readonly<Record<string, RenderedService>> = {
  minimal: service(),
  'llama.cpp': service({
    name: 'gpt-oss',
    unit: 'stowage-chat-1-gpt-oss',
    entrypoint: '/app/llama-server',
    args: ['--model', '/models/gpt-oss.gguf', '--host', '0.0.0.0', '--alias', 'gpt oss $HOME %n'],
    env: { TIKTOKEN_ENCODINGS_BASE: '/vocabulary', HF_HUB_OFFLINE: '0' },
    mounts: [
      { source: '/var/lib/stowage/models/gpt-oss', path: '/models' },
      { source: '/var/lib/stowage/files/vocabulary', path: '/vocabulary' },
    ],
    ports: [{ name: 'http', address: '127.0.0.1', host: 18_080, container: 8080 }],
    user: '10001:10001',
    networks,
    secrets: [token],
    dependsOn: ['embedder', 'gateway'],
    memory: 32 * GIB,
    cpus: 7.5,
  }),
  vllm: service({
    name: 'nemotron',
    unit: 'stowage-chat-1-nemotron',
    args: ['--model', '/models/nemotron', '--served-model-name', 'nemotron'],
    mounts: [
      { source: '/var/lib/stowage/models/nemotron', path: '/models/nemotron' },
      { memory: 4 * GIB, path: '/root/.cache' },
      { memory: 2 * GIB, path: '/tmp' },
    ],
    ports: [
      { name: 'http', address: '0.0.0.0', host: 8000, container: 8000 },
      { name: 'metrics', address: '::1', host: 9000, container: 9000 },
    ],
    sharedMemory: 16 * GIB,
    capabilities: ['CAP_SYS_NICE', 'CAP_IPC_LOCK'],
    gpus: 2,
  }),
  nim: service({
    name: 'nim',
    unit: 'stowage-chat-1-nim',
    dependsOn: ['embedder'],
    secrets: [token],
    env: { NIM_MODEL_NAME: '/models/llama', NIM_SERVED_MODEL_NAME: 'llama' },
    mounts: [{ source: '/var/lib/stowage/models/llama', path: '/models/llama' }],
    ports: [{ name: 'http', address: '127.0.0.1', host: 8000, container: 8000 }],
    network: 'host',
    readOnlyRoot: false,
    gpus: 'all',
  }),
};
