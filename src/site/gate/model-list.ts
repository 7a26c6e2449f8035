import type { ServerKind } from '../../format/service.ts';
import type { HttpResponse } from '../../target/http-request.ts';
import type { DeployedService } from '../../target/target.ts';
import { type Asked, askServer } from './ask-server.ts';
import type { ServerCheck } from './outcome.ts';

const REQUEST_SECONDS = 10;

/** The checks for the model of a service and for each adapter that its server lists. */
export function modelChecks(
  { health, adapters = [] }: DeployedService,
  asked: Asked,
): ServerCheck[] {
  if (health === undefined) return [];
  const { server, model } = health;
  const get: Get = (path) => askServer({ path, seconds: REQUEST_SECONDS }, asked);
  const checks = model === undefined ? [] : [modelCheck(server, model, get)];
  if (server === 'vllm') for (const { name } of adapters) checks.push(listed(name, get));
  if (server === 'llama.cpp')
    for (const each of adapters) checks.push(loadedAdapter(`/adapters/${each.model}/`, get));
  return checks;
}

type Get = (path: string) => Promise<HttpResponse | undefined>;

function modelCheck(server: ServerKind, model: string, get: Get): ServerCheck {
  if (server === 'triton') return tritonModel(model, get);
  if (server === 'ollama')
    // Ollama appends the tag latest to a name without a tag.
    return listedAs(
      { path: '/api/tags', list: 'models', member: 'name', names: [model, `${model}:latest`] },
      get,
    );
  return listed(model, get);
}

function listed(model: string, get: Get): ServerCheck {
  return listedAs({ path: '/v1/models', list: 'data', member: 'id', names: [model] }, get);
}

function tritonModel(model: string, get: Get): ServerCheck {
  const path = `/v2/models/${encodeURIComponent(model)}/ready`;
  return {
    expected: `200 from ${path}`,
    run: async () => {
      const response = await get(path);
      if (response === undefined) return 'no response';
      return response.status === 200
        ? { passed: `status 200 from ${path}` }
        : `status ${response.status}`;
    },
  };
}

/** llama-server lists adapters by their files, separately from models. */
function loadedAdapter(folder: string, get: Get): ServerCheck {
  return {
    expected: `/lora-adapters lists a file in ${folder}`,
    run: async () => {
      const response = await get('/lora-adapters');
      if (response === undefined) return 'no response';
      const paths = texts(parsed(response.body), 'path');
      return paths.some((each) => each.startsWith(folder))
        ? { passed: `adapters: ${paths.join(', ')}` }
        : `status ${response.status}, adapters: ${paths.join(', ') || 'none'}`;
    },
  };
}

interface Listing {
  readonly path: string;
  /** The member of the response that is the list. */
  readonly list: string;
  /** The member of each listed object that is its name. */
  readonly member: string;
  /** The names of the model, the usual one first. */
  readonly names: readonly string[];
}

function listedAs({ path, list, member, names }: Listing, get: Get): ServerCheck {
  return {
    expected: `${path} lists ${names[0]}`,
    run: async () => {
      const response = await get(path);
      if (response === undefined) return 'no response';
      const reply = parsed(response.body) as Readonly<Record<string, unknown>> | null;
      const found = texts(reply?.[list], member);
      return found.some((each) => names.includes(each))
        ? { passed: `models: ${found.join(', ')}` }
        : `status ${response.status}, models: ${found.join(', ') || 'none'}`;
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

/** The values of one member of the objects in a list that are strings. */
function texts(list: unknown, member: string): string[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((each: Readonly<Record<string, unknown>> | null) => {
    const text = each?.[member];
    return typeof text === 'string' ? [text] : [];
  });
}
