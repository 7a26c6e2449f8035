import { acceptedChannels } from '../../bundle/admission/admission-policy.ts';
import { admitMedium } from '../../bundle/admission/admit.ts';
import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import { findDiscs } from '../../bundle/discs.ts';
import type { RemoteBundle } from '../../bundle/remote-bundle.ts';
import { StowageError } from '../../core/error.ts';
import { counted } from '../../core/text.ts';
import { momentOf } from '../../format/field.ts';
import type { Trust } from '../../format/trust.ts';
import { hostPlatform } from '../../target/host/platform.ts';
import { keepHops } from '../exporting/kept-hops.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { keepTrust } from '../ledger/site-ledger.ts';
import { laterOf, type SiteState, stateOf } from '../ledger/site-state.ts';
import { asHeld, type Release } from '../release/release.ts';
import type { SiteContext } from '../site-folder.ts';
import { DiscMedium } from './disc-medium.ts';
import type { ImportMedium } from './import-medium.ts';
import { mediumLost } from './lost-disc.ts';
import { missingInWords, type PartialImport, partialImportOf } from './partial-import.ts';
import { partsToImport } from './parts-to-import.ts';
import { PipeMedium } from './pipe-medium.ts';
import { RemoteMedium } from './remote-medium.ts';
import { discardStaging, type StagingResult, stageMedium } from './stage.ts';

export interface ImportOptions extends SiteContext {
  /** The site's pinned trust document, or the one that is pinned when this bundle is admitted. */
  readonly trust: Trust;
  /** The reason for accepting a bundle that fails only the age check; recorded in the ledger. */
  readonly acceptAge?: string;
  /** The optional parts to import, in place of those that `site.yaml` chooses: names, or all. */
  readonly only?: readonly string[] | 'all';
}

/** The result of an import from the media that were given. */
export interface Imported extends Release {
  /** What the other media must provide; absent when the release is complete and accepted. */
  readonly partial?: PartialImport;
  /** How many parts were rebuilt from recovery parts. */
  readonly rebuilt: number;
  /** How many stored files were damaged, and were replaced from the media as far as these have them. */
  readonly damaged: number;
}

/** Where a bundle is: folders of the bundle or of its discs, the bytes that `stowage stream` writes, or another host. */
export type MediaPlaces = readonly string[] | AsyncIterable<Uint8Array> | RemoteBundle;

/**
 * Admits a bundle, stages the parts that its media hold, and records it as accepted once it is complete; running
 * services are unchanged. The caller holds the site's lock and its ledger.
 * @param places folders of the bundle, of some of its discs, or that hold discs, where nothing is written; or the bytes
 * that `stowage stream` writes
 * @throws StowageError what admission and staging throw; `medium-lost`, `part-damaged`, `part-missing` and `file-kind`
 * after everything else was staged
 */
export async function importMedia(
  places: MediaPlaces,
  ledger: Ledger,
  options: ImportOptions,
): Promise<Imported> {
  const medium = await openMedium(places, options);
  try {
    return await importFrom(medium, ledger, options);
  } finally {
    await medium.close();
  }
}

async function openMedium(
  places: MediaPlaces,
  { site, signal }: ImportOptions,
): Promise<ImportMedium> {
  if (Symbol.asyncIterator in places)
    return new PipeMedium(places, site.path('staging', '.piped'), signal);
  if ('list' in places) return new RemoteMedium(places, site.path('staging', '.remote'), signal);
  return new DiscMedium(await findDiscs(places));
}

async function importFrom(
  medium: ImportMedium,
  ledger: Ledger,
  options: ImportOptions,
): Promise<Imported> {
  const { site } = options;
  const state = stateOf(ledger.entries);
  const admitted = await admitAtSite(medium, state, options);
  const parts = await partsToImport(site, admitted, options.only);
  // The trust document is settled, so the next try or disc needs no fingerprint; acceptance is not.
  await recordAcceptedAge(admitted, ledger, options);
  await keepTrust(site, ledger, admitted.trust, options.now());
  const staged = await stageMedium(medium, admitted, site, { ...options, parts });
  const { id } = admitted;
  const release = asHeld(id, admitted.bundle, parts);
  const { damaged } = staged;
  const rebuilt = staged.rebuilt.length;
  if (staged.missing.length > 0) {
    const partial = await partialImportOf(site, id, admitted.bundle);
    requireNoFaults(staged, partial);
    return { ...release, partial, rebuilt, damaged };
  }
  if (medium instanceof DiscMedium) await keepHops(site, id, medium.folders, options.emit);
  await recordAcceptance(admitted, state, ledger, options);
  await discardStaging(site, id);
  return { ...release, rebuilt, damaged };
}

async function admitAtSite(
  medium: ImportMedium,
  state: SiteState,
  options: ImportOptions,
): Promise<AdmittedBundle> {
  const { site, emit, acceptAge } = options;
  // Read again under the lock: another command may have changed it.
  const trust = (await site.trust()) ?? options.trust;
  const settings = await site.site();
  const policy = {
    channels: acceptedChannels(settings),
    promoted: state.promoted,
    platform: hostPlatform(),
    state,
    requireApproval: settings.requireApproval,
    ...(acceptAge === undefined ? {} : { acceptAge }),
  };
  const now = (): Date => laterOf(options.now(), state.floor, emit);
  return admitMedium(medium, { ...options, now, trust, policy, partial: true });
}

/**
 * Decides whether a bundle could be imported, as {@link importMedia} does, and imports nothing. Large files are not read.
 * @param folders of the bundle, or of its discs
 * @throws StowageError what admission throws
 */
export async function previewImport(
  folders: readonly string[],
  state: SiteState,
  options: ImportOptions,
): Promise<AdmittedBundle> {
  const medium = new DiscMedium(folders);
  try {
    return await admitAtSite(medium, state, options);
  } finally {
    await medium.close();
  }
}

/** As {@link importMedia} takes them, or one folder. */
export type Places = string | MediaPlaces;

/**
 * Imports a bundle that must be complete on the media that were given.
 * @param places as {@link importMedia} takes them, or one folder
 * @throws StowageError as {@link importMedia}, and `bundle-incomplete`, which names what is missing
 */
export async function importBundle(
  places: Places,
  ledger: Ledger,
  options: ImportOptions,
): Promise<Release> {
  const folders = typeof places === 'string' ? [places] : places;
  const {
    partial,
    rebuilt: _,
    damaged: __,
    ...release
  } = await importMedia(folders, ledger, options);
  if (partial !== undefined) throw incomplete(partial);
  return release;
}

/** The refusal to install an import that lacks parts. */
export function incomplete(partial: PartialImport): StowageError {
  const { bundle, discs } = partial;
  const seen =
    discs.of === undefined ? '' : ` (${discs.seen.length} of ${counted(discs.of, 'disc')} seen)`;
  return new StowageError(
    'bundle-incomplete',
    `${bundle.name} ${bundle.version} is not complete${seen}`,
    {
      expected: missingInWords(partial),
      found: 'none of these parts on the given media',
      hint: `run the same command with ${discs.of === undefined ? 'the complete bundle' : 'the other discs'}; imported parts are kept`,
      defects: partial.missing.slice(0, 20).map(({ path }) => `missing: ${path}`),
    },
  );
}

/** @throws StowageError `medium-lost`, or that of the first faulty part, which names the others */
function requireNoFaults({ faults, lost }: StagingResult, partial: PartialImport): void {
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
    hint: 'everything else was imported; import another copy, or take the list that stowage repair-list writes to the connected side and import the bundle that stowage pack --only makes from it',
    defects: [
      ...(faults.length === 1 ? [] : defects),
      `still missing in total: ${missingInWords(partial)}`,
    ],
  });
}

/** Once for each reason, however many discs are imported. */
async function recordAcceptedAge(
  { id }: AdmittedBundle,
  ledger: Ledger,
  { now, acceptAge }: ImportOptions,
): Promise<void> {
  if (acceptAge === undefined) return;
  const isRecorded = ledger.entries.some(
    ({ event }) => event.kind === 'override' && event.bundle === id && event.reason === acceptAge,
  );
  if (isRecorded) return;
  await ledger.append({ kind: 'override', bundle: id, reason: acceptAge }, now());
}

async function recordAcceptance(
  { id, bundle, signers }: AdmittedBundle,
  state: SiteState,
  ledger: Ledger,
  { now }: ImportOptions,
): Promise<void> {
  const { name: product, channel, version, seq } = bundle;
  // A lower floor may have been set since: then the same sequence is accepted again.
  if (state.accepted.some((each) => each.bundle === id && each.seq === seq)) return;
  // Recorded before the acceptance: a site killed between the two imports the bundle again.
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
