import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request whose target was taken apart; `path` is as it was sent, with its percent-encoding. */
export interface DepotRequest {
  readonly message: IncomingMessage;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

/** One API of the depot. Answers the request, or leaves it untouched and says false. */
export type Handler = (request: DepotRequest, response: ServerResponse) => Promise<boolean>;
