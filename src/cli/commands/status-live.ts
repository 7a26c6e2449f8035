import {
  counted,
  formatBytes,
  formatDuration,
  formatNumber,
  printableLines,
} from '../../core/text.ts';
import { type LiveService, type LiveStatus, liveStatus } from '../../site/live/live-status.ts';
import { type CommandContext, type CommandResult, columnsOf } from '../command.ts';
import { wrapLines } from '../wrap.ts';
import { openRunningSite, warnOfOtherSite } from './site.ts';

const GAP = '   ';
/** The most characters of a line where there is no terminal. */
const PIPED_COLUMNS = 120;

/** What the services of a site do now: their phase, requests, cache, rates and what they use of the host. */
export async function statusLive(
  root: string | undefined,
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await openRunningSite(root, context);
  await warnOfOtherSite(opened, root, context);
  const live = await liveStatus(opened);
  const columns = columnsOf(context.terminal.stdout) ?? PIPED_COLUMNS;
  return { json: live, text: printableLines(liveText(live, columns, context.now())) };
}

/** The same for people, in lines of at most `columns` unless a single word is longer. */
export function liveText(
  { site, generation, services }: LiveStatus,
  columns: number,
  now: Date,
): string {
  const head =
    services.length === 0
      ? `site ${site}: no services`
      : `site ${site}: generation ${generation}, ${counted(services.length, 'service')}, rates of one second`;
  const lines = services.flatMap((each) => [
    ...wrapLines(`  ${each.release} ${each.service}: ${phaseOf(each, now)}`, columns).split('\n'),
    ...filled(factsOf(each), columns, '    '),
  ]);
  return `${[...wrapLines(head, columns).split('\n'), ...lines].join('\n')}\n`;
}

function phaseOf({ phase, detail, startedAt }: LiveService, now: Date): string {
  const lasting =
    startedAt === undefined ? Number.NaN : Math.max(0, now.getTime() - Date.parse(startedAt));
  const started = Number.isNaN(lasting) ? '' : `, started ${formatDuration(lasting)} ago`;
  const running = phase === 'ready' || phase === 'loading';
  return `${phase}${running ? started : ''}${detail === '' ? '' : `: ${detail}`}`;
}

function factsOf(each: LiveService): string[] {
  const { models = [], running, waiting, concurrency, cacheUse, cacheTokens } = each;
  const { promptRate, generatedRate, averageRate, memoryBytes, cpus, readBytes, useUnknown } = each;
  const tokens = (value: number): string => `${formatNumber(Math.round(value))} tokens`;
  const fact = (label: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`${label} ${value}`];
  const shown = <T>(value: T | undefined, as: (value: T) => string): string | undefined =>
    value === undefined ? undefined : as(value);
  const decimal = (value: number): string => value.toFixed(value < 10 ? 1 : 0);
  return [
    ...models.map(
      ({ id, context }) =>
        `model ${id}${context === undefined ? '' : `, context ${tokens(context)}`}`,
    ),
    ...fact('running', shown(running, String)),
    ...fact('waiting', shown(waiting, String)),
    ...fact('concurrency', shown(concurrency, decimal)),
    ...fact(
      'KV cache',
      shown(cacheUse, (use) => {
        const of = cacheTokens === undefined ? '' : ` of ${tokens(cacheTokens)}`;
        return `${(use * 100).toFixed(0)} %${of}`;
      }),
    ),
    ...fact(
      'generated',
      shown(generatedRate, (value) => `${decimal(value)} tokens/s`),
    ),
    ...fact(
      'prompts',
      shown(promptRate, (value) => `${decimal(value)} tokens/s`),
    ),
    ...fact(
      'average',
      shown(averageRate, (value) => `${decimal(value)} tokens/s`),
    ),
    ...fact('memory', shown(memoryBytes, formatBytes)),
    ...fact(
      'CPU',
      shown(cpus, (value) => `${value.toFixed(2)} cores`),
    ),
    ...fact('read', shown(readBytes, formatBytes)),
    ...fact(`${unmeasured(each)} unknown:`, useUnknown),
  ];
}

/** What is missing of the figures of the engine. */
function unmeasured({ memoryBytes, cpus }: LiveService): string {
  if (memoryBytes === undefined && cpus !== undefined) return 'memory';
  return memoryBytes !== undefined && cpus === undefined ? 'CPU' : 'memory and CPU';
}

/** Facts side by side, as many as fit in a line. */
function filled(facts: readonly string[], columns: number, indent: string): string[] {
  const lines: string[] = [];
  for (const fact of facts) {
    const line = lines.at(-1);
    const longer = line === undefined ? undefined : `${line}${GAP}${fact}`;
    if (longer !== undefined && longer.length <= columns) lines.splice(-1, 1, longer);
    else lines.push(...wrapLines(`${indent}${fact}`, columns).split('\n'));
  }
  return lines;
}
