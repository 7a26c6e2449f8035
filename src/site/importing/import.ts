import { admit } from '../../bundle/admission/admit.ts';
import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import { findDiscs } from '../../bundle/discs.ts';
import { StowageError } from '../../core/error.ts';
import { momentOf } from '../../format/field.ts';
import type { Trust } from '../../format/trust.ts';
import { hostPlatform } from '../../target/host/platform.ts';
import { laterOf } from '../ledger/clock.ts';
import { keepTrust } from '../ledger/keep-trust.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { type SiteState, stateOf } from '../ledger/site-state.ts';
import type { Release } from '../release/release.ts';
import type { SiteContext } from '../site-context.ts';
import { type IncomingRelease, incoming, missingInWords } from './incoming.ts';
import { mediumLost } from './medium.ts';
import { PipedBundle } from './piped-bundle.ts';
import { type Staged, stage } from './stage.ts';

export interface ImportOptions extends SiteContext {
  /** The site's pinned trust document, or the one that is pinned when this bundle is admitted. */
  readonly trust: Trust;
  /** Why a bundle may come in whose age alone is against it; kept in the ledger. */
  readonly acceptAge?: string;
}

/** What an import came to with the media that were given. */
export interface Imported extends Release {
  /** What other media must bring; absent when the release is complete, and accepted. */
  readonly incoming?: IncomingRelease;
  /** How many parts were rebuilt from recovery parts. */
  readonly rebuilt: number;
}

/**
 * Admits a bundle, stages what its media hold, and, once it is complete, remembers that it was accepted; changes
 * nothing that runs. For who holds the site's lock and its ledger.
 * @param places folders of the bundle, of some of its discs, or that hold discs, where nothing is written; or the bytes
 * that `stowage stream` writes
 * @throws StowageError all that admission and staging throw; `medium-lost`, `part-damaged`, `part-missing` and
 * `file-kind` after everything else was staged
 */
export async function importDiscs(
  places: readonly string[] | AsyncIterable<Uint8Array>,
  ledger: Ledger,
  options: ImportOptions,
): Promise<Imported> {
  if (Symbol.asyncIterator in places) {
    const piped = new PipedBundle(places, options.site.path('staging', '.piped'), options.signal);
    try {
      return await importFrom([piped.folder], ledger, options, piped);
    } finally {
      await piped.discard();
    }
  }
  return importFrom(await findDiscs(places), ledger, options);
}

async function importFrom(
  folders: readonly string[],
  ledger: Ledger,
  options: ImportOptions,
  piped?: PipedBundle,
): Promise<Imported> {
  const { site, emit, acceptAge } = options;
  // Read again under the lock: another install may have moved it since.
  const trust = (await site.trust()) ?? options.trust;
  const state = stateOf(ledger.entries);
  const { channels, requireApproval } = await site.site();
  const policy = {
    channels,
    platform: hostPlatform(),
    state,
    requireApproval,
    ...(acceptAge === undefined ? {} : { acceptAge }),
  };
  const now = (): Date => laterOf(options.now(), state.floor, emit);
  const admitted = await admit(folders, {
    ...{ ...options, now, trust, policy, partial: true },
    ...(piped === undefined ? {} : { arrivals: piped }),
  });
  const staged = await stage(admitted, site, options, piped);
  const { id, bundle } = admitted;
  const rebuilt = staged.rebuilt.length;
  if (staged.missing.length > 0) {
    // The next disc needs no paper: who may sign is settled, what is accepted is not.
    await keepTrust(site, ledger, admitted.trust, options.now());
    const rest = await incoming(site, id, bundle);
    requireSound(staged, rest);
    return { id, bundle, incoming: rest, rebuilt };
  }
  await remember(admitted, state, ledger, options);
  await keepTrust(site, ledger, admitted.trust, options.now());
  return { id, bundle, rebuilt };
}

/** Where a bundle is: its folder, those of its discs, or what `stowage stream` writes. */
export type Places = string | readonly string[] | AsyncIterable<Uint8Array>;

/**
 * Imports a bundle of which nothing may be missing when the media that were given are read.
 * @param places as {@link importDiscs} takes them
 * @throws StowageError as {@link importDiscs}, and `bundle-incomplete`, which names what is missing
 */
export async function importBundle(
  places: Places,
  ledger: Ledger,
  options: ImportOptions,
): Promise<Release> {
  const folders = typeof places === 'string' ? [places] : places;
  const { id, bundle, incoming: rest } = await importDiscs(folders, ledger, options);
  if (rest !== undefined) throw incomplete(rest);
  return { id, bundle };
}

function incomplete(rest: IncomingRelease): StowageError {
  const { bundle, discs } = rest;
  const seen = discs.of === undefined ? '' : ` (${discs.seen.length} of ${discs.of} discs seen)`;
  return new StowageError(
    'bundle-incomplete',
    `${bundle.name} ${bundle.version} is not complete${seen}`,
    {
      expected: missingInWords(rest),
      found: 'nothing of that on the media that were given',
      hint: 'run the same command with the other discs; what was taken in is kept',
      defects: rest.missing.slice(0, 20).map(({ path }) => `missing: ${path}`),
    },
  );
}

/** @throws StowageError of a medium that went away, or of the first part that is not as signed, naming the others */
function requireSound({ faults, lost }: Staged, rest: IncomingRelease): void {
  const defects = faults.slice(0, 50).map(({ error }) => `${error.message}: ${error.found ?? ''}`);
  const [gone] = lost;
  if (gone !== undefined) {
    const { code, message, expected = '', found = '', hint } = mediumLost(gone);
    throw new StowageError(code, message, { expected, found, hint, defects });
  }
  const [first] = faults;
  if (first === undefined) return;
  const { code, message, expected = '', found = '' } = first.error;
  const more = faults.length === 1 ? '' : `, and ${faults.length - 1} more`;
  throw new StowageError(code, `${message}${more}`, {
    ...{ expected, found, cause: first.error },
    hint: 'everything else was taken in; give another copy, or carry back what stowage repair-list writes and import what stowage pack --only makes of it',
    defects: [
      ...(faults.length === 1 ? [] : defects),
      `still missing in all: ${missingInWords(rest)}`,
    ],
  });
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
