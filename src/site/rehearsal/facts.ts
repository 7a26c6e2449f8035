import { lstatSync } from 'node:fs';
import { counted, oneLine } from '../../core/text.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { Rehearsal, RehearsedService } from '../../format/rehearsal.ts';
import type { InspectedContainer } from '../../target/sealed/sealed-engine.ts';
import type { Seen, Sink } from '../../target/sealed/sink.ts';
import type { Watched } from './watch.ts';

const MAX_PATHS = 50;

/** What came of a release that was installed, evaluated and watched. */
export interface Ran {
  readonly gates: Rehearsal['gates'];
  readonly evaluations: Rehearsal['evaluations'];
  readonly failures: readonly string[];
  /** The context that each server told. */
  readonly contexts: ReadonlyMap<string, number>;
  readonly rates: ReadonlyMap<string, number>;
}

/** The containers of the services that are left, by the name of the service. */
export type Inspected = ReadonlyMap<string, InspectedContainer>;

/** What one service needed and did. */
export function serviceFacts(
  name: string,
  {
    ran,
    inspected,
    watched,
  }: { readonly ran: Ran; readonly inspected: Inspected; readonly watched: Watched | undefined },
): RehearsedService {
  const ready = ran.gates.find((each) => each.service === name && each.check === 'readiness');
  const context = ran.contexts.get(name);
  const rate = ran.rates.get(name);
  const container = inspected.get(name);
  return {
    name,
    ...(ready?.passed === true ? { readySeconds: ready.milliseconds / 1000 } : {}),
    ...(watched?.peakMemoryBytes === undefined
      ? {}
      : { peakMemoryBytes: Math.round(watched.peakMemoryBytes) }),
    ...(context === undefined ? {} : { context }),
    ...(rate === undefined ? {} : { tokensPerSecond: rate }),
    ...(container === undefined ? {} : { written: writtenIn(container) }),
    processes: watched?.processes ?? [],
  };
}

/** The sizes of files are read below the root folder of the container's first process. */
function writtenIn({ pid, written }: InspectedContainer): NonNullable<RehearsedService['written']> {
  const paths: string[] = [];
  let bytes = 0;
  for (const path of written.toSorted()) {
    const status = lstatSync(`/proc/${pid}/root${path}`, { throwIfNoEntry: false });
    if (status?.isFile() !== true || isOfEngine(path)) continue;
    paths.push(oneLine(path, 512));
    bytes += status.size;
  }
  return { files: paths.length, bytes, paths: paths.slice(0, MAX_PATHS) };
}

/** Files that an engine itself adds to each container. */
function isOfEngine(path: string): boolean {
  const etc = ['hosts', 'hostname', 'resolv.conf', 'passwd', 'group', 'mtab'];
  return (
    ['/run/.containerenv', '/.dockerenv'].includes(path) ||
    etc.some((name) => path === `/etc/${name}`)
  );
}

/** The services that nothing asks, and evaluations that were not run, in words. */
export function unaskedOf({ acceptance, evaluations = [], services }: Bundle, ran: Ran): string[] {
  const asked = new Set([
    ...acceptance.map(({ service }) => service),
    ...evaluations.map(({ service }) => service),
  ]);
  const silent = services.map(({ name }) => name).filter((name) => !asked.has(name));
  return [
    ...(silent.length === 0
      ? []
      : [
          `what ${silent.join(', ')} tries when asked: no acceptance test or evaluation asks it anything`,
        ]),
    ...(ran.failures.length > 0 && ran.evaluations.length === 0 && evaluations.length > 0
      ? ['what the services try during the evaluations: none was run']
      : []),
  ];
}

/** What a rehearsal could not see, in words. */
export function unseenOf(
  bundle: Bundle,
  {
    ran,
    ipv6,
    sink,
    unprivileged,
  }: {
    readonly ran: Ran;
    readonly ipv6: boolean;
    readonly sink: Sink;
    readonly unprivileged: boolean;
  },
): string[] {
  const { charts = [], objects = [] } = bundle;
  const { more, all } = sink.seen();
  const nameless = all.filter(({ process }: Seen) => process === undefined).length;
  return [
    ...unaskedOf(bundle, ran),
    ...(charts.length + objects.length === 0
      ? []
      : ['what the charts and objects try: only a cluster runs them']),
    ...(unprivileged
      ? [
          'the peak memory of each service, and how it runs within its limits of memory, CPUs and processes: without root there are no control groups, and the limits do not apply',
        ]
      : []),
    ...(ipv6 ? [] : ['connections of IPv6: this host has no IPv6']),
    ...(nameless === 0
      ? []
      : [`the process of ${counted(nameless, 'attempt')}, which closed its connection at once`]),
    ...(more === 0 ? [] : [`the details of ${counted(more, 'further attempt')}`]),
    'processes that ran for less than a quarter of a second',
  ].map((each) => oneLine(each, 500));
}
