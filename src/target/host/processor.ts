import type { HostProbe } from './host-probe.ts';

/** The features of this host's processors, from the `flags` (x86) or `Features` (Arm) lines of `/proc/cpuinfo`. */
export async function cpuFeatures(host: HostProbe): Promise<ReadonlySet<string> | undefined> {
  const text = await host.read('/proc/cpuinfo');
  const lines = [...(text ?? '').matchAll(/^(?:flags|Features)\s*:\s*(.*)$/gm)];
  const [first, ...others] = lines.map((match) => new Set((match[1] ?? '').split(/\s+/)));
  // Only what all cores have in common counts.
  return first === undefined
    ? undefined
    : new Set([...first].filter((flag) => others.every((each) => each.has(flag))));
}

/** `MemTotal` of `/proc/meminfo`, in bytes: a little less than what is installed. */
export async function memoryBytes(host: HostProbe): Promise<number | undefined> {
  const match = /^MemTotal:\s*([0-9]{1,15}) kB$/m.exec((await host.read('/proc/meminfo')) ?? '');
  return match === null ? undefined : Number(match[1]) * 1024;
}

/** The kernel's release as `uname -r` prints it. */
export async function kernelRelease(host: HostProbe): Promise<string | undefined> {
  const text = (await host.read('/proc/sys/kernel/osrelease'))?.trim();
  return text === '' ? undefined : text;
}
