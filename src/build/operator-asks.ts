import { GIB } from '../core/limits.ts';
import type { Manifest } from '../format/manifest.ts';

/** What a site must provide before a release can run, as lines for a person; one sentence if there is nothing. */
export function siteRequirements(manifest: Manifest): string {
  const lines = [
    ...ports(manifest),
    ...sorted(manifest.parameters).map(([name, { type, default: value }]) =>
      value === undefined
        ? `value of "${name}" (${type}): required in site.yaml`
        : `value of "${name}" (${type}): ${ascii(JSON.stringify(value))}, unless set in site.yaml`,
    ),
    ...sorted(manifest.secrets).map(([name]) => `secret "${name}": required in site.yaml`),
    ...manifest.requires.releases.map((each) => `release ${each.name} ${each.version}, running`),
    ...manifest.requires.conflicts.map((each) => `no release ${each.name} ${each.version}`),
    ...host(manifest),
  ];
  const required =
    lines.length === 0
      ? 'This release has no other requirements.\n'
      : listed('This release requires', lines);
  const recalled = (manifest.recalls ?? []).map((each) => `${each.release} ${each.versions}`);
  return recalled.length === 0
    ? required
    : `${required}${listed('Recalled versions, which must not run ("stowage status" says what to do)', recalled)}`;
}

/** Sorted by name, because the order in a manifest differs from that in a lock. */
function sorted<T>(map: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function listed(title: string, lines: readonly string[]): string {
  return `* ${title}:\n\n${lines.map((line) => `  - ${line}\n`).join('')}`;
}

function ports({ services }: Manifest): string[] {
  return services.flatMap((service) =>
    service.ports.map((port) => `TCP port for "${service.name}": ${portOf(port.host)}`),
  );
}

/** A port number, or the parameter that gives it: `${parameters.NAME}`. */
function portOf(host: number | string): string {
  const [, name] = /^\$\{parameters\.([A-Za-z0-9]+)\}$/.exec(host.toString()) ?? [];
  return name === undefined ? host.toString() : `the value of "${name}"`;
}

function host({ requires, services }: Manifest): string[] {
  const { host: needs } = requires;
  const counted = services.some(({ gpus }) => gpus !== undefined);
  const gpu = needs?.gpu;
  return [
    ...(needs?.kernel === undefined ? [] : [`kernel ${needs.kernel}`]),
    ...sorted(needs?.engine ?? {}).map(([name, range]) => `${name} ${range}, if used`),
    ...(needs?.memory === undefined
      ? []
      : [`memory: ${Math.ceil(needs.memory / GIB)} GiB in total`]),
    ...(needs?.cpuFeatures ?? []).map((each) => `processor with ${each}`),
    ...(gpu === undefined ? [] : [`GPUs: ${gpu.count} of ${gpu.vendor}`]),
    ...(counted && gpu === undefined ? ['GPUs: "stowage plan --explain" shows how many'] : []),
  ];
}

/** Values may contain any character; the guide is ASCII. */
function ascii(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}
