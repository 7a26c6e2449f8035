import { join } from 'node:path';
import { receiverOf } from '../../../bundle/increment/receiver.ts';
import { writeNoticeFolder } from '../../../bundle/notice/make-notice.ts';
import { readStoredBundle } from '../../../bundle/read-index.ts';
import { commonTo, incrementOf, type Receiver, withBundle } from '../../../content/increment.ts';
import { StowageError } from '../../../core/error.ts';
import { counted, exactBytes, printableLines } from '../../../core/text.ts';
import type { ChangingFleet } from '../../../fleet/change.ts';
import {
  dispatchesTo,
  newestReceiptOf,
  nextNumbers,
  recordDispatch,
} from '../../../fleet/dispatch.ts';
import { releaseFolder } from '../../../fleet/fleet-folder.ts';
import { type NextRelease, nextForSites } from '../../../fleet/next.ts';
import { type NoticeForSite, noticeFor } from '../../../fleet/notice-for.ts';
import { siteNamed } from '../../../fleet/sites.ts';
import { allParts } from '../../../format/bundle.ts';
import type { Dispatch, DispatchedRelease } from '../../../format/dispatch.ts';
import { momentOf } from '../../../format/field.ts';
import type { Receipt } from '../../../format/receipt.ts';
import { controlSizes, discRuns, writeDisc, writeDiscs } from '../../../io/discs/write-discs.ts';
import { exists, remove, renameIntoPlace } from '../../../io/file.ts';
import { makeNewFolder, withParents } from '../../../io/folder.ts';
import { type CommandContext, type CommandResult, usage } from '../../command.ts';
import { parseDiscSize } from '../disc-size.ts';
import { signatureOf } from '../notice.ts';
import { type OpenBundle, openBundle } from '../open-bundle.ts';
import type { KeyOptions } from '../signing-key.ts';

export interface WriteNextOptions extends Partial<KeyOptions> {
  /** Folders of the bundles that must travel. */
  readonly from: readonly string[];
  readonly discSize?: string;
}

/** The label of a site that says how large its media are. */
const DISC_SIZE_LABEL = 'disc-size';

interface Prepared {
  readonly release: NextRelease;
  readonly bundle: OpenBundle;
  readonly omitted: ReadonlySet<string>;
  readonly dispatched: DispatchedRelease;
}

/**
 * Writes to a new folder what must travel to a site: the increment of each release and a notice. What was written is recorded in the
 * fleet first: after a kill, a dispatch that nobody carried is listed as not confirmed, and no serial is used twice.
 */
export async function writeNext(
  name: string,
  output: string,
  options: WriteNextOptions,
  fleet: ChangingFleet,
  context: CommandContext,
): Promise<CommandResult> {
  const { database, folder } = fleet;
  if (await exists(output))
    throw new StowageError('output-exists', `${output} exists already`, {
      expected: 'a path where nothing exists',
      found: 'a file or folder',
      hint: 'choose another path, or remove what is there',
    });
  const site = siteNamed(database, name);
  const now = context.now();
  const [due] = await nextForSites(fleet, [site], now);
  const newest = await newestReceiptOf(database, folder, name);
  if (due === undefined || newest === undefined)
    throw usage(
      `nothing can be written for site ${name}`,
      'a site with a receipt, which was not retired',
      due === undefined ? 'a retired site' : 'no receipt',
      'a full bundle must travel to a site first; take its receipt with stowage fleet take',
    );
  const { name: issuer } = await folder.settings();
  const dispatches = dispatchesTo(database, name);
  const { number, serial } = nextNumbers(dispatches, issuer, newest.receipt);
  const trust = due.trust === undefined ? {} : { trust: due.trust };
  const need = { site, receipt: newest.receipt, issuer, serial, now, ...trust };
  const notice = await noticeFor(fleet, need);
  const prepared = await prepare(due.releases, newest.receipt, options, fleet, context);
  if (notice === undefined && prepared.length === 0)
    return { json: { written: false }, text: `nothing must travel to ${name}\n` };
  const signature =
    notice === undefined ? new Map() : await signatureOf(notice.made, options, context);
  const size = options.discSize ?? site.labels[DISC_SIZE_LABEL];
  const discSize = size === undefined ? undefined : parseDiscSize(size);
  const dispatch: Dispatch = {
    schema: 'stowage/dispatch/v1',
    ...{ site: name, number, at: momentOf(now), receipt: newest.path },
    releases: prepared.map(({ dispatched }) => dispatched),
    ...(notice === undefined ? {} : { notice: { issuer, serial, notice: notice.made.id } }),
    documents: notice?.documents ?? [],
    ...trust,
  };
  const partial = `${output}.partial`;
  const written: string[] = [];
  const document = await withParents(output, async () => {
    try {
      await remove(partial);
      await makeNewFolder(partial);
      if (notice !== undefined) {
        const place = `notice-${issuer}-${serial}`;
        await writeNoticeFolder(
          join(partial, place),
          new Map([...notice.made.files, ...signature]),
        );
        written.push(place);
      }
      for (const [at, each] of prepared.entries()) {
        const place = `${at + 1}-${each.release.name}-${each.release.version}`;
        await writeRelease(each, join(partial, place), discSize, context);
        written.push(place);
      }
      const path = await recordDispatch(fleet, dispatch);
      await renameIntoPlace(partial, output);
      return path;
    } catch (error) {
      await remove(partial);
      throw error;
    }
  });
  return {
    json: { written: true, output, document, dispatch, signed: signature.size > 0 },
    text: printableLines(
      `${[
        output,
        ...writtenLines(written, notice, prepared),
        ...(notice !== undefined && signature.size === 0
          ? [
              `  next: stowage sign ${join(output, `notice-${issuer}-${serial}`)} --key FILE --certificate FILE`,
            ]
          : []),
        ...due.obstacles.map((each) => `  OBSTACLE: ${each}`),
        `  recorded as ${document}; at the site, import in this order`,
      ].join('\n')}\n`,
    ),
  };
}

function writtenLines(
  written: readonly string[],
  notice: NoticeForSite | undefined,
  prepared: readonly Prepared[],
): string[] {
  const amounts = [
    ...(notice === undefined ? [] : [counted(notice.made.notice.documents.length, 'document')]),
    ...prepared.map(
      ({ dispatched: { bytes, total } }) => `${exactBytes(bytes)} of ${exactBytes(total)}`,
    ),
  ];
  return written.map((place, at) => `  ${place}: ${amounts[at]}`);
}

/** Finds the bundle of each release, and what of it the site lacks: what an earlier release brings, a later one leaves out. */
async function prepare(
  releases: readonly NextRelease[],
  receipt: Receipt,
  { from }: WriteNextOptions,
  { folder }: ChangingFleet,
  context: CommandContext,
): Promise<Prepared[]> {
  const bundles = new Map<string, OpenBundle>();
  for (const place of from) {
    const opened = await openBundle(context.path(place));
    bundles.set(opened.id, opened);
  }
  const missing = releases.filter(({ bundle }) => !bundles.has(bundle));
  if (missing.length > 0)
    throw usage(
      'the bundles of these releases are needed',
      missing
        .map(
          ({ name, version, bundle }) =>
            `--from with ${name} ${version}, bundle ${bundle.slice(0, 16)}`,
        )
        .join('; '),
      from.length === 0 ? 'no --from' : from.join(', '),
    );
  let receiver: Receiver = await receiverOf(receipt, (id) =>
    readStoredBundle(folder.path(releaseFolder(id)), id),
  );
  return releases.map((release) => {
    const bundle = bundles.get(release.bundle);
    if (bundle === undefined) throw new RangeError(`no bundle ${release.bundle}`);
    const { bytes, total, omitted } = incrementOf(bundle.bundle, commonTo([receiver]));
    receiver = withBundle(receiver, bundle.bundle);
    const { name, version } = release;
    const dispatched = { name, version, bundle: release.bundle, bytes, total };
    return { release, bundle, omitted, dispatched };
  });
}

async function writeRelease(
  { bundle: { bundle, files, sums }, omitted }: Prepared,
  output: string,
  discSize: number | undefined,
  context: CommandContext,
): Promise<void> {
  const source = { bundle, files, sums, move: false, omitted };
  if (discSize === undefined) {
    const parts = allParts(bundle).filter(({ path }) => !omitted.has(path));
    return writeDisc(source, parts, output, context);
  }
  const control = await controlSizes(source);
  await writeDiscs(source, discRuns(bundle, { discSize, control }, omitted), output, context);
}
