import { momentOf } from '../../format/field.ts';
import { namesIn, remove, writeAtomic } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import type { ServiceOf } from '../../target/target.ts';
import type { SiteFolder } from '../site-folder.ts';

/** More than an engine keeps of one service; the target limits the bytes. */
export const ALL_LINES = 1_000_000;
/** How many logs a site keeps; older ones are removed. */
const KEPT_LOGS = 20;
const LAST_LINES = 20;
const FIRST_ERRORS = 5;
/** The most characters of a line in an error message. */
const MAX_LINE = 500;

/** Words that servers and their languages begin an error with: Python, C++, Rust, Go, CUDA. */
const ERROR_WORDS =
  /\b(?:[a-z.]*(?:error|exception)|fatal|panic(?:ked)?|traceback|abort(?:ed)?|failed|cannot|unable to|out of memory|no space left|segmentation fault|killed)\b/i;
/** Lines that only report that there was no error, or name one in a setting. */
const HARMLESS =
  /\b(?:no|0|without) errors?\b|\b(?:error|exception)s?[_-]|[_-](?:error|exception)/i;

/** What loggers write before a message of an error: `(EngineCore pid=7) ERROR 11-29 22:04:17 [core.py:1510] ` of vLLM. */
const ERROR_PREFIX = /^(?:\([^)]*\) )?(?:ERROR|FATAL|CRITICAL)\b[^[]{0,80}\[[^\]]*\] ?/;
/** A message of a level at which nothing failed. */
const LOWER_LEVEL = /^(?:\([^)]*\) )?(?:WARNING|WARN|INFO|DEBUG)\b/;
/** A place in the code, between the beginning of a traceback and the error at its end. */
const FRAME = /^\s+(?:File "|\S)|^Traceback \(most recent call last\)/;

/** Whether a line names an error, rather than how the program got there. */
function namesError(line: string): boolean {
  const message = line.replace(ERROR_PREFIX, '');
  if (LOWER_LEVEL.test(line) || HARMLESS.test(line)) return false;
  const isLogged = message !== line;
  return (isLogged || ERROR_WORDS.test(line)) && !(isLogged ? FRAME : /^\s+File "/).test(message);
}

/** The first lines of a log that match an error, and its last lines, each with its number unless it is one of the last. */
export function tellingLines(log: string): string[] {
  const lines = log.split('\n').filter((line) => line.trim() !== '');
  const end = Math.max(0, lines.length - LAST_LINES);
  const first = lines
    .slice(0, end)
    .flatMap((line, index) => (namesError(line) ? [`line ${index + 1}: ${cut(line)}`] : []))
    .slice(0, FIRST_ERRORS);
  return [...first, ...lines.slice(end).map(cut)];
}

function cut(line: string): string {
  return line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)} ...` : line;
}

/**
 * Writes the complete log of a failed service to `logs/<moment>-<release>-<service>.log`, which only the site's user can
 * read: a log can contain what clients sent.
 * @returns the path of the file
 */
export async function keepLog(
  site: SiteFolder,
  { release, service }: ServiceOf,
  log: string,
  now: Date,
): Promise<string> {
  const folder = site.path('logs');
  await makeFolder(folder, 0o700);
  const moment = momentOf(now).replaceAll(':', '');
  const path = site.path('logs', `${moment}-${release.name}-${service}.log`);
  await writeAtomic(path, Buffer.from(log), 0o600);
  const names = (await namesIn(folder)).filter((each) => each.endsWith('.log')).toSorted();
  for (const name of names.slice(0, -KEPT_LOGS)) await remove(site.path('logs', name));
  return path;
}
