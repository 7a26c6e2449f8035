import { StowageError } from '../../core/error.ts';
import { deviceSpecificationKind } from '../../format/foreign.ts';
import { readYaml } from '../../format/yaml-document.ts';
import type { HostProbe } from './host-probe.ts';

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
