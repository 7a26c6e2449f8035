import type { WireBody } from './wire-body.ts';

/** One request, without redirects and tries. */
export interface WireRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal: AbortSignal;
  /** Whether a server named the host, and not whoever wrote the manifest. */
  readonly strayed?: boolean | undefined;
}

export interface WireResponse extends WireBody {
  readonly status: number;
  readonly headers: Headers;
}
