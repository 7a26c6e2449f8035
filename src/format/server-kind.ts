import type { ServerKind } from './service.ts';

/** The readiness check of a kind of inference server. */
export interface ServerProfile {
  /** Returns 200 if and only if the server can answer prompts; empty if the manifest must set it. */
  readonly readyPath: string;
  /** A note for readers of the manifest reference. */
  readonly note: string;
}

export const serverProfiles: Readonly<Record<ServerKind, ServerProfile>> = {
  // vLLM opens its port after the model is loaded. /health stays 200 with a dead GPU: the prompts detect that.
  vllm: { readyPath: '/health', note: 'vLLM, port 8000' },
  'llama.cpp': { readyPath: '/health', note: 'llama-server, port 8080; 503 while it loads' },
  nim: {
    readyPath: '/v1/health/ready',
    note: 'NVIDIA NIM, port 8000; /v1/health/live is 200 without a model',
  },
  // /health is 200 as soon as the port is open; /health_generate runs a prompt of one token.
  sglang: { readyPath: '/health_generate', note: 'SGLang, port 30000' },
  triton: { readyPath: '/v2/health/ready', note: 'Triton, port 8000' },
  ollama: { readyPath: '/api/tags', note: 'Ollama, port 11434; loads a model at the first prompt' },
  tgi: { readyPath: '/health', note: 'Text Generation Inference, port 80' },
  command: { readyPath: '', note: 'a program inside the container' },
  http: { readyPath: '', note: 'any server that has a readiness path' },
};
