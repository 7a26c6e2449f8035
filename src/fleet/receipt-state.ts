import type { TakenNotice } from '../format/ledger.ts';
import type { Override } from '../format/override.ts';
import type { Receipt } from '../format/receipt.ts';

export interface HeldBundle {
  readonly name: string;
  readonly version: string;
  readonly bundle: string;
  /** The optional parts that it stores, if it does not store all. */
  readonly parts?: readonly string[];
}

/** What the fleet reads from the newest receipt of a site. */
export interface ReceiptState {
  readonly releases: Receipt['releases'];
  /** One line for each service that does not run as it should. */
  readonly failing: readonly string[];
  /** One line for each service that a person stopped. */
  readonly stopped: readonly string[];
  readonly drift: readonly string[];
  readonly overrides: readonly Override[];
  /** The newest notice of each issuer; absent if there is none. */
  readonly notices?: readonly TakenNotice[];
  /** Complete bundles that it holds, installed or not; absent if the receipt lists none. */
  readonly holds?: readonly HeldBundle[];
  /** Bytes that were free in the site's folder; absent if the receipt does not say. */
  readonly free?: number;
  readonly platform: string;
  readonly engine: string;
  readonly tool: string;
}

/** The state that a receipt shows. */
export function stateOf(receipt: Receipt): ReceiptState {
  const { health, gates, releases, overrides = [], host, tool } = receipt;
  const bad = health.filter(
    ({ state, ready, stoppedAt }) =>
      stoppedAt === undefined && (state !== 'running' || ready === false),
  );
  return {
    releases,
    failing: [
      ...bad.map(({ service, state }) =>
        state === 'running' ? `${service} is not ready` : `${service} is ${state}`,
      ),
      // After a rollback the failed checks are those of the release that was removed.
      ...(receipt.outcome === 'kept' ? gates.filter(({ passed }) => !passed) : []).map(
        ({ service, check }) => `${service} failed its check of ${check}`,
      ),
    ],
    stopped: health.flatMap(({ service, stoppedAt }) =>
      stoppedAt === undefined ? [] : [`${service}, at ${stoppedAt}`],
    ),
    drift: health.flatMap(({ service, drift = [] }) =>
      drift.map((field) => `${service}: ${field}`),
    ),
    overrides,
    ...(receipt.notices === undefined ? {} : { notices: receipt.notices }),
    ...(receipt.holds === undefined
      ? {}
      : {
          holds: receipt.holds.bundles.map(({ name, version, bundle, parts }) => ({
            ...{ name, version, bundle },
            ...(parts === undefined ? {} : { parts }),
          })),
          free: receipt.holds.free,
        }),
    platform: host.platform,
    engine: host.engine,
    tool,
  };
}

/** Whether every service runs as it should. */
export function isHealthy({ failing }: ReceiptState): boolean {
  return failing.length === 0;
}
