import type { Digest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { adapterSettings } from '../format/adapter-settings.ts';
import type { Bundle } from '../format/bundle.ts';
import { type Egress, isPlace, type RenderedEgress } from '../format/egress.ts';
import type { RenderedText } from '../format/plan.ts';
import type { RenderedObjects } from '../format/rendered-objects.ts';
import type { Adapter, Service } from '../format/service.ts';
import type { Site } from '../format/site.ts';

/** The input for the workload of a release. */
export interface RenderInput {
  readonly bundle: Bundle;
  readonly settings: Site;
  /** The site's id. Names and labels contain it, so two sites can run the same release on one host. */
  readonly siteId: string;
  /** The absolute folder of the release's models and files on this host. */
  readonly files: string;
  /** This host's platform, such as `linux/amd64`. */
  readonly platform: string;
  /** Replaces each `${parameters.NAME}`. */
  readonly fill: (text: string) => string;
  /** Each rendered template of the release: its file is `rendered/<sha256>`. */
  readonly rendered: ReadonlyMap<string, RenderedText>;
  /** The name under which the target stores each secret of the release. */
  readonly secretNames: ReadonlyMap<string, string>;
  /** The manifest of each model and file as an image, by its name; for a target whose `mountsImages` is set. */
  readonly cars?: ReadonlyMap<string, Digest>;
  /** The content of single files up to `MAX_MOUNTED_FILE_BYTES`, by their names; for the same targets. */
  readonly contents?: ReadonlyMap<string, Uint8Array>;
  /** The rendered objects of each chart and of each item of `objects`, by its name. */
  readonly objects?: ReadonlyMap<string, RenderedObjects>;
}

/**
 * Where a service may open connections to, with the values of the site.
 * @throws StowageError `site-invalid` when a value is neither an address nor a network
 */
export function renderEgress(
  { name, egress = [] }: Service,
  { bundle, fill, settings }: Pick<RenderInput, 'bundle' | 'fill' | 'settings'>,
): RenderedEgress[] {
  return [...egress, ...addedEgress(settings, bundle.name, name)].map(({ to, protocol, ports }) => {
    const place = fill(to);
    if (isPlace(place)) return { to: place, protocol, ports };
    throw new StowageError(
      'site-invalid',
      `service ${name} of release ${bundle.name} cannot connect to ${to}`,
      {
        expected: 'an address, or a network such as 10.20.0.0/16',
        found: JSON.stringify(place),
        hint: `set the parameter behind ${to} in site.yaml under parameters.${bundle.name} to an address: names are not resolved`,
      },
    );
  });
}

function addedEgress({ egress = {} }: Site, release: string, service: string): readonly Egress[] {
  const added = Object.hasOwn(egress, release) ? (egress[release] ?? {}) : {};
  return Object.hasOwn(added, service) ? (added[service] ?? []) : [];
}

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

/**
 * Keeps inference servers from sending telemetry and from waiting for a network that does not exist. The values of
 * a service take precedence.
 */
export const offlineEnvironment: Readonly<Record<string, string>> = {
  DO_NOT_TRACK: '1',
  HF_DATASETS_OFFLINE: '1',
  HF_HUB_DISABLE_TELEMETRY: '1',
  HF_HUB_DISABLE_UPDATE_CHECK: '1',
  HF_HUB_DISABLE_XET: '1',
  HF_HUB_OFFLINE: '1',
  NIM_TELEMETRY_MODE: '0',
  TRANSFORMERS_OFFLINE: '1',
  VLLM_NO_USAGE_STATS: '1',
};
