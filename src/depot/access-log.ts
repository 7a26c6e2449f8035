import type { DepotRequest } from './handler.ts';
import type { Answered } from './metrics.ts';

/** One line of the access log: a JSON object without anything that may be a client's secret. */
export type AccessLine = (line: string) => void;

const MAX_PATH = 1024;
const MAX_AGENT = 120;
/** The query parameters that are logged; any other may be a token. */
const PLAIN_PARAMETERS = ['artifactType', 'expand', 'last', 'n', 'ns', 'recursive'];

/**
 * The line for a response. It has no header but the user agent, no query parameter but those of the APIs, and of a
 * token only its holder's name.
 */
export function accessLine(
  at: Date,
  { message, method, path, query }: DepotRequest,
  { status, bytes, milliseconds }: Answered,
  holder?: string,
): string {
  const kept = PLAIN_PARAMETERS.flatMap((name): [string, string][] => {
    const value = query.get(name);
    return value === null ? [] : [[name, value]];
  });
  const rest = kept.length === 0 ? '' : `?${new URLSearchParams(kept)}`;
  const agent = message.headers['user-agent'];
  const { range } = message.headers;
  return JSON.stringify({
    time: at.toISOString(),
    client: message.socket.remoteAddress ?? '',
    ...(holder === undefined ? {} : { holder }),
    method,
    path: `${path}${rest}`.slice(0, MAX_PATH),
    ...(range === undefined ? {} : { range: range.slice(0, MAX_AGENT) }),
    status,
    bytes,
    milliseconds: Math.round(milliseconds),
    ...(agent === undefined ? {} : { agent: agent.slice(0, MAX_AGENT) }),
  });
}
