import { printableLines } from '../../core/printable.ts';
import { selectServices } from '../../site/applying/operate-services.ts';
import { currentGeneration } from '../../site/generations.ts';
import type { ServiceOf } from '../../target/target.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { openRunningSite } from './site.ts';

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
    );
  const { follow = false, tail = ALL_LINES } = options;
  if (follow) return followLog(of, tail, options, { target, context });
  const text = await target.logs(of, tail, context.signal);
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return { json: { release, service: of.service, lines }, text: printableLines(text) };
}

/** Ends with the service, or with status 130 when it is interrupted. */
async function followLog(
  of: ServiceOf,
  tail: number,
  { json = false }: LogsOptions,
  {
    target,
    context,
  }: Pick<Awaited<ReturnType<typeof openRunningSite>>, 'target'> & {
    context: CommandContext;
  },
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
