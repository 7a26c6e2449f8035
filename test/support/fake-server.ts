import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** How an inference server behaves. */
export interface Behaviour {
  /** How often readiness is refused with 503 before it is granted. */
  readonly notReadyFor?: number;
  readonly models?: readonly string[];
  /** What a prompt is answered with: the text of the first choice. */
  readonly answer?: (prompt: string) => string;
  /** Anything but the usual at a path; return false for the usual. */
  readonly odd?: (path: string, response: ServerResponse) => boolean;
}

export interface FakeServer {
  readonly port: number;
  /** `GET /health`, `POST /v1/completions {...}`, in their order. */
  readonly requests: { readonly path: string; readonly body: unknown }[];
  close(): Promise<void>;
}

/** A real HTTP server that answers like an inference server, closed when the test ends. */
export async function startFakeServer(behaviour: Behaviour = {}): Promise<FakeServer> {
  const requests: FakeServer['requests'] = [];
  let refusals = behaviour.notReadyFor ?? 0;
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      const path = request.url ?? '';
      requests.push({ path, body });
      if (behaviour.odd?.(path, response) === true) return;
      if (path === '/health' && refusals > 0) {
        refusals -= 1;
        response.writeHead(503).end();
        return;
      }
      reply(response, path, body, behaviour);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(close);
  return { port: (server.address() as AddressInfo).port, requests, close };
}

function reply(
  response: ServerResponse,
  path: string,
  body: unknown,
  { models = ['tiny'], answer = (prompt) => prompt }: Behaviour,
): void {
  const asked = body as {
    model?: string;
    prompt?: string;
    messages?: readonly { content: string }[];
  };
  if (path === '/health') json(response, { status: 'ok' });
  else if (path === '/v1/models') json(response, { data: models.map((id) => ({ id })) });
  else if (path === '/v1/completions')
    json(response, { model: asked.model, choices: [{ text: answer(asked.prompt ?? '') }] });
  else if (path === '/v1/chat/completions') {
    const content = answer(asked.messages?.[0]?.content ?? '');
    json(response, { model: asked.model, choices: [{ message: { role: 'assistant', content } }] });
  } else response.writeHead(404).end();
}

export function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? undefined : (JSON.parse(text) as unknown);
}
