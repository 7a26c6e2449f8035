import { textOf } from '../../../core/json.ts';

/** Why a WebSocket was not opened, from what the client library threw. */
export function refusedHandshake(error: unknown): {
  /** HTTP status of the answer; undefined without one. */
  readonly status?: number;
  readonly reason: string;
} {
  // An ErrorEvent of the package ws has it in getters.
  const message = textOf((error as { message?: unknown } | null)?.message) ?? String(error);
  const status = /^Unexpected server response: (\d{3})$/.exec(message)?.[1];
  if (status === undefined) return { reason: message };
  return { status: Number(status), reason: `the API server answers with status ${status}` };
}
