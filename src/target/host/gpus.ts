import { StowageError } from '../../core/error.ts';
import { parseJson } from '../../core/json.ts';
import { MIB } from '../../core/limits.ts';
import type { GpuNeeds } from '../../format/deployment.ts';
import { deviceSpecificationKind } from '../../format/foreign.ts';
import { readYaml } from '../../format/yaml-document.ts';
import type { HostProbe } from './host-probe.ts';

/** One GPU; fields that its tool does not report are absent. */
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

/** The GPUs that the vendor's tool lists, or the reason why it cannot list any. */
export async function findGpus(
  vendor: GpuNeeds['vendor'],
  host: HostProbe,
  signal: AbortSignal,
): Promise<FoundGpus> {
  return vendor === 'nvidia' ? nvidia(host, signal) : amd(host, signal);
}

/** `nvidia-smi`: one line a GPU; `[N/A]` or `[Not Supported]` for unknown values. */
async function nvidia(host: HostProbe, signal: AbortSignal): Promise<FoundGpus> {
  const args = [`--query-gpu=${NVIDIA_QUERY}`, '--format=csv,noheader,nounits'];
  const answer = await host.run('nvidia-smi', args, signal);
  if ('why' in answer) return answer;
  const lines = answer.printed.split('\n').filter((line) => line.trim() !== '');
  const gpus = lines.slice(0, MAX_GPUS).map(nvidiaGpu);
  if (gpus.some((each) => each === undefined))
    return { why: 'nvidia-smi printed unexpected output' };
  return { gpus: gpus.filter((each) => each !== undefined) };
}

function nvidiaGpu(line: string): Gpu | undefined {
  const fields = line.split(',').map((each) => each.trim());
  const [index = '', ...rest] = fields;
  if (!/^[0-9]{1,4}$/.test(index) || rest.length < 4) return undefined;
  // A name may hold a comma.
  const [memory = '', driver = '', capability = ''] = rest.slice(-3);
  return gpu({ name: rest.slice(0, -3).join(', '), memory, unit: MIB, driver, capability });
}

/** `rocm-smi --json`: a member `cardN` for each GPU, and `system`; its releases differ in upper and lower case. */
async function amd(host: HostProbe, signal: AbortSignal): Promise<FoundGpus> {
  const args = ['--showproductname', '--showmeminfo', 'vram', '--showdriverversion', '--json'];
  const answer = await host.run('rocm-smi', args, signal);
  if ('why' in answer) return answer;
  const cards = new Map<string, ReadonlyMap<string, string>>();
  try {
    const whole = parseJson(Buffer.from(answer.printed));
    for (const [key, value] of Object.entries(whole as object)) {
      const members = Object.entries(value as object);
      cards.set(key, new Map(members.map(([name, text]) => [name.toLowerCase(), String(text)])));
    }
  } catch {
    return { why: 'rocm-smi printed unexpected output' };
  }
  const driver = cards.get('system')?.get('driver version') ?? '';
  const gpus = [...cards]
    .filter(([key]) => /^card[0-9]{1,4}$/.test(key))
    .slice(0, MAX_GPUS)
    .map(([, card]) => {
      const name = card.get('card series') ?? card.get('card model') ?? '';
      const memory = card.get('vram total memory (b)') ?? '';
      return gpu({ name, memory, unit: 1, driver, capability: '' });
    });
  return { gpus };
}

/** A GPU as texts of its tool. */
interface Listed {
  readonly name: string;
  readonly memory: string;
  /** Bytes. */
  readonly unit: number;
  readonly driver: string;
  readonly capability: string;
}

function gpu({ name, memory, unit, driver, capability }: Listed): Gpu {
  const version = /^[0-9]{1,6}(?:\.[0-9]{1,6}){0,3}/;
  return {
    name: name.replace(/[^ -~]/g, '?').slice(0, 80) || 'a GPU without a name',
    ...(/^[0-9]{1,15}$/.test(memory) ? { memory: Number(memory) * unit } : {}),
    ...(version.test(driver) ? { driver: version.exec(driver)?.[0] ?? '' } : {}),
    ...(version.test(capability) ? { computeCapability: version.exec(capability)?.[0] ?? '' } : {}),
  };
}

/** The folders of Container Device Interface specifications. */
const FOLDERS = ['/etc/cdi', '/var/run/cdi'];
const MAX_FILES = 64;

/** The devices that containers can request by name, such as `nvidia.com/gpu=0`. */
export async function containerDevices(host: HostProbe): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (const folder of FOLDERS) {
    const files = (await host.list(folder)).filter((name) => /\.(?:json|ya?ml)$/.test(name));
    for (const file of files.slice(0, MAX_FILES)) {
      const text = await host.read(`${folder}/${file}`);
      for (const name of devicesIn(text ?? '')) names.add(name);
    }
  }
  return names;
}

/** Engines ignore a specification that they cannot read, and so does this. */
function devicesIn(text: string): string[] {
  try {
    const { kind, devices } = readYaml(deviceSpecificationKind, Buffer.from(text));
    return devices.map(({ name }) => `${kind}=${name}`);
  } catch (error) {
    if (error instanceof StowageError) return [];
    throw error;
  }
}
