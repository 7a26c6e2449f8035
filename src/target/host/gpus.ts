import { parseJson } from '../../core/canonical-json.ts';
import { MIB } from '../../core/limits.ts';
import type { GpuNeeds } from '../../format/deployment.ts';
import type { HostProbe } from './host-probe.ts';

/** One GPU; what its tool does not tell is absent. */
export interface Gpu {
  readonly name: string;
  /** In bytes. */
  readonly memory?: number;
  readonly driver?: string;
  /** NVIDIA's compute capability, such as `8.0`. */
  readonly computeCapability?: string;
}

export type FoundGpus = { readonly gpus: readonly Gpu[] } | { readonly why: string };

const MAX_GPUS = 256;
const NVIDIA_QUERY = 'index,name,memory.total,driver_version,compute_cap';

/** The GPUs that the vendor's tool lists, or why it lists none. */
export async function findGpus(
  vendor: GpuNeeds['vendor'],
  host: HostProbe,
  signal: AbortSignal,
): Promise<FoundGpus> {
  return vendor === 'nvidia' ? nvidia(host, signal) : amd(host, signal);
}

/** `nvidia-smi`: one line a GPU; `[N/A]` or `[Not Supported]` for what it does not know. */
async function nvidia(host: HostProbe, signal: AbortSignal): Promise<FoundGpus> {
  const args = [`--query-gpu=${NVIDIA_QUERY}`, '--format=csv,noheader,nounits'];
  const answer = await host.ask('nvidia-smi', args, signal);
  if ('why' in answer) return answer;
  const lines = answer.printed.split('\n').filter((line) => line.trim() !== '');
  const gpus = lines.slice(0, MAX_GPUS).map(nvidiaGpu);
  if (gpus.some((each) => each === undefined)) return { why: 'nvidia-smi printed something else' };
  return { gpus: gpus.filter((each) => each !== undefined) };
}

function nvidiaGpu(line: string): Gpu | undefined {
  const fields = line.split(',').map((each) => each.trim());
  const [index = '', ...rest] = fields;
  if (!/^[0-9]{1,4}$/.test(index) || rest.length < 4) return undefined;
  // A name may hold a comma.
  const [memory = '', driver = '', capability = ''] = rest.slice(-3);
  return gpu(rest.slice(0, -3).join(', '), memory, MIB, driver, capability);
}

/** `rocm-smi --json`: a member `cardN` for each GPU, and `system`; the letters' case changed over its releases. */
async function amd(host: HostProbe, signal: AbortSignal): Promise<FoundGpus> {
  const args = ['--showproductname', '--showmeminfo', 'vram', '--showdriverversion', '--json'];
  const answer = await host.ask('rocm-smi', args, signal);
  if ('why' in answer) return answer;
  const cards = new Map<string, ReadonlyMap<string, string>>();
  try {
    const whole = parseJson(Buffer.from(answer.printed));
    for (const [key, value] of Object.entries(whole as object)) {
      const members = Object.entries(value as object);
      cards.set(key, new Map(members.map(([name, text]) => [name.toLowerCase(), String(text)])));
    }
  } catch {
    return { why: 'rocm-smi printed something else' };
  }
  const driver = cards.get('system')?.get('driver version') ?? '';
  const gpus = [...cards]
    .filter(([key]) => /^card[0-9]{1,4}$/.test(key))
    .slice(0, MAX_GPUS)
    .map(([, card]) => {
      const name = card.get('card series') ?? card.get('card model') ?? '';
      return gpu(name, card.get('vram total memory (b)') ?? '', 1, driver, '');
    });
  return { gpus };
}

function gpu(name: string, memory: string, unit: number, driver: string, capability: string): Gpu {
  const version = /^[0-9]{1,6}(?:\.[0-9]{1,6}){0,3}/;
  return {
    name: name.replace(/[^ -~]/g, '?').slice(0, 80) || 'a GPU without a name',
    ...(/^[0-9]{1,15}$/.test(memory) ? { memory: Number(memory) * unit } : {}),
    ...(version.test(driver) ? { driver: version.exec(driver)?.[0] ?? '' } : {}),
    ...(version.test(capability) ? { computeCapability: version.exec(capability)?.[0] ?? '' } : {}),
  };
}
