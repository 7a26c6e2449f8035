import { digestHex } from '../../core/digest.ts';
import type { RenderedService } from '../../format/containers.ts';
import {
  gpuDevices,
  labelsOf,
  limitArguments,
  publishedPorts,
  STOP_SECONDS,
  variablesOf,
} from '../container/container-arguments.ts';
import {
  podmanEntrypoint,
  podmanMemory,
  podmanMemoryMount,
  podmanNetworks,
  podmanSecret,
  podmanVolume,
} from './podman-arguments.ts';
import { commandWord, type PodmanUnitOptions, serviceLines, unitLines } from './podman-unit.ts';

/**
 * The Quadlet file of a service (podman-systemd.unit(5)): `<unit>.container`, from which podman's generator makes the
 * same `<unit>.service` that {@link podmanUnit} writes out. Only the keys of podman 4.4 are used, so every
 * later version reads it; the rest is in `PodmanArgs`. The generator puts every word on a systemd command line, so
 * words are escaped for one; keys that it copies verbatim are not quoted.
 */
export function podmanQuadlet(service: RenderedService, options: PodmanUnitOptions): string {
  return [
    ...unitLines(service),
    '',
    '[Container]',
    `ContainerName=${service.unit}`,
    `Image=${digestHex(service.image.config)}`,
    'NoNewPrivileges=true',
    'DropCapability=all',
    ...[...service.capabilities].sort().map((each) => `AddCapability=${each}`),
    `ReadOnly=${service.readOnlyRoot}`,
    ...podmanNetworks(service).map((each) => `Network=${each}`),
    ...publishedPorts(service).map((each) => `PublishPort=${each}`),
    ...gpuDevices(service).map((each) => `AddDevice=${each}`),
    ...service.mounts.flatMap((each) =>
      'source' in each
        ? [`Volume=${bare(podmanVolume(each.source, each.path, options.selinux))}`]
        : [],
    ),
    ...labelsOf(service).map((each) => `Label=${commandWord(each)}`),
    ...variablesOf(service).map((each) => `Environment=${commandWord(each)}`),
    ...extra(service).map((each) => `PodmanArgs=${each.map(commandWord).join(' ')}`),
    ...(service.args.length === 0 ? [] : [`Exec=${service.args.map(commandWord).join(' ')}`]),
    '',
    '[Service]',
    ...serviceLines(options.environment),
    '',
    '[Install]',
    `WantedBy=${options.wantedBy}`,
    '',
  ].join('\n');
}

/** Options of `podman run` with their values. The journal keeps the log, because Quadlet removes crashed containers. */
function extra(service: RenderedService): string[][] {
  const pairs: string[][] = [
    ['--pull', 'never'],
    ['--http-proxy=false'],
    ['--no-healthcheck'],
    ['--stop-timeout', String(STOP_SECONDS)],
    ['--log-driver', 'journald'],
  ];
  if (service.gpus !== undefined) pairs.push(['--security-opt', 'label=disable']);
  if (service.user !== undefined) pairs.push(['--user', service.user]);
  if (service.networks.length > 0) pairs.push(['--network-alias', service.name]);
  pairs.push(...inPairs(podmanMemory(service)), ...inPairs(limitArguments(service)));
  for (const each of service.mounts)
    if ('memory' in each) pairs.push(['--tmpfs', podmanMemoryMount(each.path, each.memory)]);
  for (const each of service.secrets) pairs.push(['--secret', podmanSecret(each, service.user)]);
  pairs.push(...inPairs(podmanEntrypoint(service)));
  return pairs;
}

function inPairs(args: readonly string[]): string[][] {
  return Array.from({ length: args.length / 2 }, (_, index) =>
    args.slice(2 * index, 2 * index + 2),
  );
}

/** A value that systemd expands, but Quadlet does not split. */
function bare(text: string): string {
  return text.replaceAll('%', '%%').replaceAll('$', '$$$$');
}
