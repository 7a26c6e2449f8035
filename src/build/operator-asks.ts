import { GIB } from '../core/limits.ts';
import type { Manifest } from '../format/manifest.ts';

/** What a release asks of a site before it can run, as lines for a person; a sentence where it asks nothing. */
export function siteRequirements(manifest: Manifest): string {
  const lines = [
    ...ports(manifest),
    ...sorted(manifest.parameters).map(([name, { type, default: value }]) =>
      value === undefined
        ? `value of "${name}" (${type}), in site.yaml: it has no default`
        : `value of "${name}" (${type}): ${ascii(JSON.stringify(value))}, or another in site.yaml`,
    ),
    ...sorted(manifest.secrets).map(([name]) => `secret "${name}", named in site.yaml`),
    ...manifest.requires.releases.map((each) => `release ${each.name} ${each.version}, running`),
    ...manifest.requires.conflicts.map((each) => `no release ${each.name} ${each.version}`),
    ...host(manifest),
  ];
  const asked =
    lines.length === 0
      ? 'This release asks nothing else of a site.\n'
      : listed('What this release asks of a site', lines);
  const recalled = (manifest.recalls ?? []).map((each) => `${each.release} ${each.versions}`);
  return recalled.length === 0
    ? asked
    : `${asked}${listed('Recalled, must not run any more ("stowage status" says what to go back to)', recalled)}`;
}

/** By name: a manifest has them in its author's order, and a lock in another. */
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

/** A number, or whose value it is: `${parameters.NAME}`. */
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
    ...(needs?.memory === undefined ? [] : [`memory: ${Math.ceil(needs.memory / GIB)} GiB in all`]),
    ...(needs?.cpuFeatures ?? []).map((each) => `processor with ${each}`),
    ...(gpu === undefined ? [] : [`GPUs: ${gpu.count} of ${gpu.vendor}`]),
    ...(counted && gpu === undefined ? ['GPUs, as "stowage plan --explain" counts them'] : []),
  ];
}

/** Values are of people; the guide is of seven bits. */
function ascii(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}
