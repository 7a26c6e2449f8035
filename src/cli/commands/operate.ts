import { printableLines } from '../../core/text.ts';
import type { ServiceCommand } from '../../format/override.ts';
import {
  type OperatedService,
  operateServices,
  selectServices,
} from '../../site/applying/operate-services.ts';
import { currentGeneration } from '../../site/generations.ts';
import type { ServiceName } from '../../target/change.ts';
import type { ServiceOf } from '../../target/target.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { openRunningSite } from './site.ts';

const done: Readonly<Record<ServiceCommand, string>> = {
  start: 'started and passed all checks',
  stop: 'stopped; it stays stopped until stowage start',
  restart: 'restarted and passed all checks',
};

const unchanged: Readonly<Record<ServiceCommand, string>> = {
  start: 'already running',
  stop: 'already stopped',
  restart: '',
};

/** `start`, `stop` and `restart`: services of an installed release. */
export async function operate(
  command: ServiceCommand,
  selection: { readonly release: string; readonly services: readonly string[] },
  options: { readonly root?: string },
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await openRunningSite(options.root, context);
  const services = await operateServices(command, selection, opened);
  if (command === 'stop') await warnOfDependents(services, opened, context);
  const words = ({ already }: OperatedService): string => (already ? unchanged : done)[command];
  return {
    json: { command, services },
    text: services.map((each) => `${each.release} ${each.service}: ${words(each)}\n`).join(''),
  };
}

/** A running service does not notice that one it needs was stopped. */
async function warnOfDependents(
  stopped: readonly ServiceName[],
  { site, target }: Awaited<ReturnType<typeof openRunningSite>>,
  { emit, signal }: CommandContext,
): Promise<void> {
  const names = new Set(stopped.map(({ service }) => service));
  const { releases } = await currentGeneration(site);
  for (const release of releases.filter(({ name }) => name === stopped[0]?.release))
    for (const { name, dependsOn } of target.services(release)) {
      const needed = dependsOn.filter((each) => names.has(each));
      if (names.has(name) || needed.length === 0) continue;
      const { state } = await target.state({ release, service: name }, signal);
      if (state !== 'running') continue;
      emit({
        type: 'warning',
        message: `${release.name} ${name} still runs and needs ${needed.join(', ')}`,
      });
    }
}

export interface LogsOptions {
  readonly follow?: boolean;
  readonly tail?: number;
  readonly json?: boolean;
  readonly root?: string;
}

/** More than an engine keeps of one service. */
const ALL_LINES = 1_000_000;
/** A line that does not end is printed in pieces of this length, in bytes. */
const MAX_LINE = 65_536;

/** Prints what a service wrote. Control characters are printed as code points: a log can contain what a client sent. */
export async function logs(
  release: string,
  service: string | undefined,
  options: LogsOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { site, target } = await openRunningSite(options.root, context);
  const current = await currentGeneration(site);
  const services = service === undefined ? [] : [service];
  const [of, ...others] = selectServices({ release, services }, current, target);
  if (of === undefined || others.length > 0)
    throw usage(
      `release ${release} has several services`,
      `one of ${[of, ...others].map((each) => each?.service).join(', ')}`,
      'none',
      `add the name of one: stowage logs ${release} SERVICE`,
    );
  const { follow = false, tail = ALL_LINES } = options;
  if (follow) return followLog(of, tail, options, { target, context });
  const text = await target.logs(of, tail, context.signal);
  if (text === '') await warnOfStopped(of, { target, context });
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return { json: { release, service: of.service, lines }, text: printableLines(text) };
}

type Reading = Pick<Awaited<ReturnType<typeof openRunningSite>>, 'target'> & {
  readonly context: CommandContext;
};

/** Why there is nothing to print, if the service does not run: stopping it removes its container and its log. */
async function warnOfStopped(of: ServiceOf, { target, context }: Reading): Promise<void> {
  const { state } = await target.state(of, context.signal);
  if (state === 'running') return;
  context.emit({
    type: 'warning',
    message: `${of.release.name} ${of.service} does not run, and has no log: stopping a service removes its container with its log`,
    hint: `start it with "stowage start ${of.release.name} ${of.service}"; the systemd journal, if this host has one, may have earlier lines`,
  });
}

/** Ends with the service, or with status 130 when it is interrupted. */
async function followLog(
  of: ServiceOf,
  tail: number,
  { json = false }: LogsOptions,
  { target, context }: Reading,
): Promise<CommandResult> {
  if (json) throw usage('conflicting options', '--follow or --json', 'both');
  const { stdout } = context.terminal;
  let rest = Buffer.alloc(0);
  const write = (bytes: Uint8Array): void => {
    rest = Buffer.concat([rest, bytes]);
    const end = rest.length > MAX_LINE ? rest.length : rest.lastIndexOf(0x0a) + 1;
    if (end === 0) return;
    stdout.write(printableLines(rest.subarray(0, end).toString('utf8')));
    rest = rest.subarray(end);
  };
  await target.followLogs(of, tail, write, context.signal);
  return {
    json: undefined,
    text: printableLines(rest.toString('utf8')),
    ...(context.signal.aborted ? { exitStatus: 130 } : {}),
  };
}
