import type { ServerKind } from '../../format/service.ts';
import { type Answer, ask, type Endpoint } from '../../target/ask.ts';
import type { DeployedService } from '../../target/target.ts';

/** A question whose answer tells whether a model is served. */
export interface ModelQuestion {
  readonly expected: string;
  readonly run: () => Promise<string | true>;
}

const ASK_SECONDS = 10;

/** What to ask about the model of a service, and about each adapter that its server lists. */
export function modelQuestions(
  { health, adapters = [] }: DeployedService,
  endpoint: Endpoint,
  signal: AbortSignal,
): ModelQuestion[] {
  if (health === undefined) return [];
  const { server, model } = health;
  const get = (path: string): Promise<Answer | undefined> =>
    ask(endpoint, path, ASK_SECONDS, signal);
  const questions = model === undefined ? [] : [modelQuestion(server, model, get)];
  if (server === 'vllm') for (const { name } of adapters) questions.push(listed(name, get));
  if (server === 'llama.cpp')
    for (const each of adapters) questions.push(loadedAdapter(`/adapters/${each.model}/`, get));
  return questions;
}

type Get = (path: string) => Promise<Answer | undefined>;

function modelQuestion(server: ServerKind, model: string, get: Get): ModelQuestion {
  if (server === 'triton') return tritonModel(model, get);
  if (server === 'ollama')
    // Ollama gives a name without a tag the tag latest.
    return named('/api/tags', 'models', 'name', model, [model, `${model}:latest`], get);
  return listed(model, get);
}

function listed(model: string, get: Get): ModelQuestion {
  return named('/v1/models', 'data', 'id', model, [model], get);
}

function tritonModel(model: string, get: Get): ModelQuestion {
  const path = `/v2/models/${encodeURIComponent(model)}/ready`;
  return {
    expected: `200 from ${path}`,
    run: async () => {
      const answer = await get(path);
      if (answer === undefined) return 'no answer';
      return answer.status === 200 ? true : `status ${answer.status}`;
    },
  };
}

/** llama-server does not list adapters among its models, but by their files. */
function loadedAdapter(folder: string, get: Get): ModelQuestion {
  return {
    expected: `/lora-adapters lists a file in ${folder}`,
    run: async () => {
      const answer = await get('/lora-adapters');
      if (answer === undefined) return 'no answer';
      const paths = texts(parsed(answer.body), 'path');
      return paths.some((each) => each.startsWith(folder))
        ? true
        : `status ${answer.status}, adapters: ${paths.join(', ') || 'none'}`;
    },
  };
}

function named(
  path: string,
  list: string,
  member: string,
  model: string,
  names: readonly string[],
  get: Get,
): ModelQuestion {
  return {
    expected: `${path} lists ${model}`,
    run: async () => {
      const answer = await get(path);
      if (answer === undefined) return 'no answer';
      const reply = parsed(answer.body) as Readonly<Record<string, unknown>> | null;
      const found = texts(reply?.[list], member);
      return found.some((each) => names.includes(each))
        ? true
        : `status ${answer.status}, models: ${found.join(', ') || 'none'}`;
    },
  };
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** One member of each object in a list, where it is a text. */
function texts(list: unknown, member: string): string[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((each: Readonly<Record<string, unknown>> | null) => {
    const text = each?.[member];
    return typeof text === 'string' ? [text] : [];
  });
}
