import { momentOf } from '../format/field.ts';
import type { Trust } from '../format/trust.ts';
import { admit } from './admit.ts';
import type { AdmittedBundle } from './admitted-bundle.ts';
import type { ChangeOptions } from './change.ts';
import { laterOf } from './clock.ts';
import { hostPlatform } from './host.ts';
import type { Ledger } from './ledger.ts';
import type { Release } from './release.ts';
import { type SiteState, stateOf } from './site-state.ts';
import { stage } from './stage.ts';
import { keepTrust } from './trust-walk.ts';

export interface ImportOptions extends ChangeOptions {
  /** The site's pinned trust document, or the one that is pinned when this bundle is admitted. */
  readonly trust: Trust;
  /** Why a bundle may come in whose age alone is against it; kept in the ledger. */
  readonly acceptAge?: string;
}

/**
 * Admits a bundle, stages it, and remembers what was accepted; changes nothing that runs. For who holds the site's
 * lock and its ledger.
 * @param folder the bundle on its medium; nothing is written there
 */
export async function importBundle(
  folder: string,
  ledger: Ledger,
  options: ImportOptions,
): Promise<Release> {
  const { site, emit, acceptAge } = options;
  // Read again under the lock: another install may have moved it since.
  const trust = (await site.trust()) ?? options.trust;
  const state = stateOf(ledger.entries);
  const { channels, requireApproval } = await site.site();
  const gatekeeper = {
    channels,
    platform: hostPlatform(),
    state,
    requireApproval,
    ...(acceptAge === undefined ? {} : { acceptAge }),
  };
  const now = (): Date => laterOf(options.now(), state.floor, emit);
  const admitted = await admit(folder, { ...options, now, trust, gatekeeper });
  await stage(admitted, site, options);
  await remember(admitted, state, ledger, options);
  await keepTrust(site, ledger, admitted.trust, options.now());
  return { id: admitted.id, bundle: admitted.bundle };
}

async function remember(
  { id, bundle, signers }: AdmittedBundle,
  state: SiteState,
  ledger: Ledger,
  { now, acceptAge }: ImportOptions,
): Promise<void> {
  if (acceptAge !== undefined) {
    await ledger.append({ kind: 'override', bundle: id, reason: acceptAge }, now());
  }
  const { name: product, channel, version, seq } = bundle;
  // A floor that was set since has taken the number back: then it is accepted anew.
  if (state.accepted.some((each) => each.bundle === id && each.seq === seq)) return;
  // Before what says that the bundle is in: a site that was killed between the two takes it in once more.
  for (const { release, versions, reason } of bundle.recalls ?? []) {
    await ledger.append({ kind: 'recalled', release, versions, reason, bundle: id }, now());
  }
  const times = signers.filter((each) => each.counted).map((each) => momentOf(each.signingTime));
  const signedAt = times.toSorted().at(-1) ?? state.floor;
  await ledger.append(
    { kind: 'accepted', product, channel, version, seq, bundle: id, signedAt },
    now(),
  );
}
