import { type Bundle, bundleKind } from '../../src/format/bundle.ts';
import { checkDocument } from '../../src/format/document.ts';
import type { LedgerEvent } from '../../src/format/ledger.ts';
import type { DeployedRelease } from '../../src/format/plan.ts';
import { siteKind } from '../../src/format/site.ts';
import { stateOf } from '../../src/site/ledger/site-state.ts';
import type { ConstraintInput } from '../../src/site/planning/constraints/constraint.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import type { Change } from '../../src/target/change.ts';
import type { ContainerConstraintInput } from '../../src/target/container/constraints/constraint.ts';
import { hostPlatform } from '../../src/target/host/platform.ts';
import * as samples from '../format/samples.ts';
import { context, packedAt } from './context.ts';
import { generation, type ReleaseValues, release } from './deployed.ts';
import { FakeEngine, fakeTarget } from './fake-engine.ts';
import { type FakeHost, fakeHost } from './fake-host.ts';

/** A release with its bundle. */
export interface Packed {
  readonly bundle: Bundle;
  readonly wanted: DeployedRelease;
}

let count = 0;

/** A release of one service without ports, unless it is said otherwise, and a bundle that asks for nothing else. */
export function packed(deployed: ReleaseValues = {}, said: Partial<Bundle> = {}): Packed {
  count += 1;
  const wanted = release({ bundle: count.toString(16).padStart(128, '0'), ...deployed });
  const platform = hostPlatform();
  const sample = samples.bundle() as unknown as Bundle;
  const bundle = checkDocument(bundleKind, {
    ...sample,
    name: wanted.name,
    version: wanted.version,
    platforms: [platform],
    images: sample.images.map((each) => ({
      ...each,
      platforms: each.platforms.map((one) => ({ ...one, platform })),
    })),
    services: [],
    acceptance: [],
    parameters: {},
    secrets: {},
    requires: {},
    ...said,
  });
  return { bundle, wanted };
}

/** What the rules of a site and those of containers are asked with, both. */
export type AskedInput = ConstraintInput & ContainerConstraintInput;

export interface Asking
  extends Partial<Pick<AskedInput, 'target' | 'facts' | 'env' | 'now' | 'site' | 'store'>> {
  readonly intent?: Change['intent'];
  readonly from?: readonly Packed[];
  readonly to?: readonly Packed[];
  /** Members of `site.yaml`. */
  readonly settings?: object;
  readonly host?: FakeHost;
  readonly ledger?: readonly { readonly at: string; readonly event: LedgerEvent }[];
}

/** What rules are asked about the way from some releases to others. */
export function asking(values: Asking = {}): AskedInput {
  const { from = [], to = [], settings, host, ledger = [], intent = 'install', ...rest } = values;
  const previous = '0'.repeat(128);
  const site = rest.site ?? new SiteFolder('/nonexistent/site');
  const change: Change = {
    intent,
    from: generation(1, ...from.map((each) => each.wanted)),
    to: generation(2, ...to.map((each) => each.wanted)),
    bundles: new Map([...from, ...to].map((each) => [each.wanted.bundle, each.bundle])),
  };
  const { signal } = context();
  const store = rest.store ?? site.store;
  const { now = packedAt } = rest;
  const seen = { change, host: fakeHost(host), store, now, signal };
  return {
    ...seen,
    context: seen,
    site,
    settings: checkDocument(siteKind, { apiVersion: 'stowage/v1', name: 'site', ...settings }),
    state: stateOf(
      ledger.map((each, index) => ({
        schema: 'stowage/ledger-entry/v2',
        number: index + 1,
        previous,
        ...each,
      })),
    ),
    facts: { engine: 'podman', version: '5.0.0', systemd: false, rootless: false, names: true },
    engine: new FakeEngine(),
    target: fakeTarget(),
    env: {},
    now: packedAt,
    ...rest,
  };
}
