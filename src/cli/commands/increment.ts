import { join } from 'node:path';
import { believeReceipt, recordUsed } from '../../bundle/increment/believed-receipts.ts';
import { type FindBundle, findBundles } from '../../bundle/increment/known-bundles.ts';
import { receiverOf } from '../../bundle/increment/receiver.ts';
import type { CheckedReceipt } from '../../bundle/receipt.ts';
import {
  type Common,
  commonTo,
  type Increment,
  incrementOf,
  leavingOut,
  partsOfWeights,
  type Receiver,
} from '../../content/increment.ts';
import { blobsOfParts, partsWithout, withoutInWords } from '../../content/optional.ts';
import type { Emit } from '../../core/context.ts';
import { exactBytes, formatBytes, normalizeFingerprint } from '../../core/text.ts';
import { type Bundle, totalSize } from '../../format/bundle.ts';
import { type CommandContext, storeFolder, usage } from '../command.ts';

/** Which sites a bundle is for, and why their receipts are believed. */
export interface IncrementOptions {
  /** Names of optional parts that are left out. */
  readonly without: readonly string[];
  /** Receipts of the sites. */
  readonly for: readonly string[];
  readonly fingerprint: readonly string[];
  /** Bundles that the sites may store. */
  readonly base: readonly string[];
  /** Days. */
  readonly receiptAge: number;
  readonly store?: string;
}

/** The sites that an increment is for. */
export interface Receivers {
  readonly receivers: readonly Receiver[];
  readonly common: Common;
  /** Records their receipts as used, once the increment was written. */
  readonly recordUsed: () => Promise<void>;
}

/** The folder of the indexes of bundles that were packed here. */
export function knownFolder(store: string): string {
  return join(store, 'bundles');
}

/** Where receipts that were used are recorded, and what is known of the bundles that they name. */
export interface ReceiverRecords {
  readonly used: string;
  /** @param places folders of bundles that were given */
  readonly find: (places: readonly string[]) => Promise<FindBundle>;
}

function storeRecords(store: string): ReceiverRecords {
  return {
    used: join(store, 'receipts'),
    find: (places) => findBundles(places, knownFolder(store)),
  };
}

/**
 * The sites that `--for` names; undefined without it.
 * @throws StowageError `usage-invalid`, and as {@link believeReceipt} and {@link findBundles}
 */
export async function readReceivers(
  options: IncrementOptions,
  context: CommandContext,
  records?: ReceiverRecords,
): Promise<Receivers | undefined> {
  if (options.for.length === 0) {
    const without = options.fingerprint.length > 0 ? '--fingerprint' : '--base';
    if (options.fingerprint.length + options.base.length > 0)
      throw usage(`${without} needs --for`, '--for RECEIPT', 'none');
    return undefined;
  }
  const { used, find: findIn } = records ?? storeRecords(storeFolder(context, options.store));
  const believing = {
    fingerprints: options.fingerprint.map(normalizeFingerprint),
    maxAgeDays: options.receiptAge,
    used,
    now: context.now(),
  };
  const places = options.base.map((each) => context.path(each));
  const find = await findIn(places);
  const checked: CheckedReceipt[] = [];
  const receivers: Receiver[] = [];
  for (const file of options.for) {
    const one = await believeReceipt(context.path(file), believing);
    checked.push(one);
    receivers.push(await receiverOf(one.receipt, find));
  }
  for (const each of receivers) warnOfUnknown(each, context);
  return {
    receivers,
    common: commonTo(receivers),
    recordUsed: async () => {
      for (const each of checked) await recordUsed(each, used);
    },
  };
}

function warnOfUnknown({ site, unknown }: Receiver, { emit }: CommandContext): void {
  if (unknown.length === 0) return;
  emit({
    type: 'warning',
    message: `site ${site} stores ${unknown.join(', ')}, but the contents are not known here: they are not left out`,
    hint: 'give these bundles, or one disc of each, with --base',
  });
}

/** What of a bundle travels. */
export interface LeftOut extends Increment {
  /** The optional parts that do not. */
  readonly parts: readonly string[];
}

/**
 * What of a bundle travels; undefined for all of it. Warns of sites without enough space.
 * @throws StowageError `part-unknown`
 */
export function leftOut(
  bundle: Bundle,
  { without }: Pick<IncrementOptions, 'without'>,
  sites: Receivers | undefined,
  { emit }: CommandContext,
): LeftOut | undefined {
  if (sites === undefined && without.length === 0) return undefined;
  const left = partsWithout(bundle, without);
  const unneeded = blobsOfParts(bundle, left);
  for (const { site, free, blobs } of sites?.receivers ?? []) {
    const needed = totalSize(
      bundle.blobs.filter(({ digest }) => !blobs.has(digest) && !unneeded.has(digest)),
    );
    if (free === undefined || free >= needed) continue;
    emit({
      type: 'warning',
      message: `site ${site} has too little free space: the import needs ${exactBytes(needed)}, and its receipt states ${exactBytes(free)}`,
      hint: 'have old releases removed there with stowage gc',
    });
  }
  const common = leavingOut(unneeded, sites?.common);
  const increment = incrementOf(bundle, common);
  for (const each of sites?.receivers ?? []) warnOfPartSize(bundle, increment, each, emit);
  return { ...increment, parts: [...left].toSorted() };
}

/** Equal parts of files that changed are recognized only if both versions have parts of the same size. */
function warnOfPartSize(
  bundle: Bundle,
  { omitted }: Increment,
  { site, partSizes }: Receiver,
  emit: Emit,
): void {
  const { name, partSize } = bundle;
  const [known, ...others] = partSizes?.get(name) ?? [];
  if (known === undefined || known === 0) return;
  if (known === partSize || others.includes(partSize)) return;
  if (![...partsOfWeights(bundle)].some(([{ path }]) => !omitted.has(path))) return;
  emit({
    type: 'warning',
    message: `site ${site} stores ${name} in parts of ${formatBytes(known)}, and this bundle has ${partSize === 0 ? 'whole files' : `parts of ${formatBytes(partSize)}`}: files of models that changed travel whole`,
    hint: `pack and sign it with --part-size ${known}, so that only the parts that changed travel`,
  });
}

export function incrementJson(
  increment: LeftOut | undefined,
  sites: Receivers | undefined,
): { readonly increment?: object } {
  if (increment === undefined) return {};
  const { bytes, total, omitted, parts } = increment;
  const names = sites?.receivers.map(({ site }) => site) ?? [];
  const without = parts.length === 0 ? {} : { without: parts };
  return { increment: { bytes, total, omitted: omitted.size, sites: names, ...without } };
}

/** How much of the bundle travels, and for whom that is enough; no line for a complete bundle. */
export function incrementLines(
  increment: LeftOut | undefined,
  sites: Receivers | undefined,
): string[] {
  if (increment === undefined) return [];
  const { bytes, total, parts } = increment;
  const left = parts.length === 0 ? [] : [`  ${withoutInWords(parts)}`];
  if (sites === undefined)
    return [
      ...left,
      `  ${formatBytes(bytes)} of ${formatBytes(total)}; enough for sites that do without these optional parts`,
    ];
  const names = sites.receivers.map(({ site }) => site).join(', ');
  const one = sites.receivers.length === 1;
  return [
    ...left,
    `  increment: ${formatBytes(bytes)} of ${formatBytes(total)}; enough for site${one ? '' : 's'} ${names}, with what ${one ? 'it stores' : 'they store'}`,
  ];
}
