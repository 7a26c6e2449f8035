import { StowageError } from '../core/error.ts';
import { adapterSettings } from '../format/adapter-settings.ts';
import type { Bundle } from '../format/bundle.ts';
import type { Adapter, Service } from '../format/service.ts';

/** What makes a server load its adapters. */
export interface AdapterSettings {
  /** After its own arguments. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The folder of an adapter in a container. */
export function adapterPath({ model }: Adapter): string {
  return `/adapters/${model}`;
}

/**
 * How each kind of server takes LoRA adapters: vLLM and SGLang as NAME=FOLDER after one argument, TGI in a variable, llama-server
 * each by its GGUF file and a scale. The scale is 0: any other would apply the adapter to every request that does not ask for it. Limits such as vLLM's `--max-lora-rank` are the manifest's own arguments.
 * @throws StowageError `document-invalid` when an adapter for llama-server is not one GGUF file
 */
export function adapterArguments(service: Service, bundle: Bundle): AdapterSettings {
  const { adapters, health } = service;
  const setting = health === undefined ? undefined : adapterSettings[health.server];
  if (adapters.length === 0 || health === undefined || setting === undefined)
    return { args: [], env: {} };
  const pairs = adapters.map((each) => `${each.name}=${adapterPath(each)}`);
  switch (health.server) {
    case 'vllm':
      return { args: ['--enable-lora', setting, ...pairs], env: {} };
    case 'llama.cpp':
      return {
        args: adapters.flatMap((each) => [setting, `${weightsOf(each, bundle)}:0`]),
        env: {},
      };
    case 'tgi':
      return { args: [], env: { [setting]: pairs.join(',') } };
    default:
      return { args: [setting, ...pairs], env: {} };
  }
}

function weightsOf(adapter: Adapter, { models }: Bundle): string {
  const files = models.find((each) => each.name === adapter.model)?.files ?? [];
  const weights = files.filter((each) => each.path.toLowerCase().endsWith('.gguf'));
  const [first, ...others] = weights;
  if (first !== undefined && others.length === 0 && !first.path.includes(','))
    return `${adapterPath(adapter)}/${first.path}`;
  throw new StowageError('document-invalid', `adapter ${adapter.model} is not one GGUF file`, {
    expected: 'one file that ends in .gguf, without a comma in its name',
    found: weights.map((each) => each.path).join(', ') || 'none',
    hint: 'ask the release engineer to select one GGUF file with "include" of the model',
  });
}
