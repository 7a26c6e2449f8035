import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Fault } from './fault.ts';
import { Refusal } from './refusal.ts';

export interface RequestRecord {
  readonly origin: 'hub' | 'storage';
  readonly method: string;
  /** As it was sent, with its query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** What was answered; 0 until then. */
  status: number;
  /** Bytes handed to the connection, heads included. */
  sentBytes: number;
}

/** One request and its answer in the making. */
export interface Exchange {
  readonly record: RequestRecord;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  fault: Fault | undefined;
}

export function record(
  origin: RequestRecord['origin'],
  request: IncomingMessage,
  response: ServerResponse,
): Exchange {
  const entry: RequestRecord = {
    origin,
    method: request.method ?? '',
    url: request.url ?? '',
    headers: request.headers,
    status: 0,
    sentBytes: 0,
  };
  const before = request.socket.bytesWritten;
  response.on('close', () => {
    entry.status = response.statusCode;
    entry.sentBytes = request.socket.bytesWritten - before;
  });
  return { record: entry, request, response, fault: undefined };
}

export async function conclude(
  exchange: Exchange,
  fault: Fault | undefined,
  answer: (exchange: Exchange) => Promise<void>,
): Promise<void> {
  const { response } = exchange;
  exchange.fault = fault;
  try {
    if (fault !== undefined && 'status' in fault) {
      response.writeHead(fault.status, fault.headers).end(fault.body);
    } else {
      await answer(exchange);
    }
  } catch (error) {
    if (response.headersSent) response.destroy();
    else sendRefusal(exchange, error instanceof Refusal ? error : undefined, String(error));
  }
}

function sendRefusal(exchange: Exchange, refusal: Refusal | undefined, message: string): void {
  sendJson(
    exchange,
    refusal?.status ?? 500,
    { error: refusal?.message ?? message },
    {
      ...refusal?.headers,
      ...(refusal?.code !== undefined && { 'x-error-code': refusal.code }),
      'x-error-message': refusal?.message ?? message,
    },
  );
}

export function sendJson(
  { request, response }: Exchange,
  status: number,
  value: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
