import type { GivenTrust } from '../../bundle/admission/trust-files.ts';
import { findDiscs } from '../../bundle/discs.ts';
import { type CheckedHop, hopsBeside, readHops } from '../../bundle/hops.ts';
import { type BundleView, presentDiscs, viewBundle } from '../../bundle/inspect/bundle-view.ts';
import { readPlatforms } from '../../bundle/inspect/platforms.ts';
import { isNoticeFolder } from '../../bundle/notice/read-notice.ts';
import { attachedInWords, attachedRehearsal } from '../../bundle/rehearsal/attached-rehearsal.ts';
import { withoutInWords } from '../../content/optional.ts';
import { counted, printableLines } from '../../core/text.ts';
import { writeAtomic } from '../../io/file.ts';
import { type CommandContext, type CommandResult, showsUnicode, usage } from '../command.ts';
import { treeLines } from '../tree.ts';
import { bundleTree, discBranch, sizeText } from './bundle-tree.ts';
import { signerLines } from './signers.ts';

export interface InspectOptions {
  readonly trust?: string;
  readonly all?: boolean;
  readonly html?: string;
}

/** Reads only metadata, so its duration does not depend on the size of the bundle. */
export async function inspect(
  place: string,
  options: InspectOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const folders = await findDiscs([context.path(place)]);
  const [only] = folders;
  if (only !== undefined && folders.length === 1 && (await isNoticeFolder(only))) {
    if (options.html !== undefined)
      throw usage('a notice has no page', 'inspect without --html', '--html');
    const { showNotice } = await import('./notice.ts');
    return showNotice(only, options, context);
  }
  const pagePath = options.html === undefined ? undefined : context.path(options.html);
  if (pagePath !== undefined) await requirePlace(pagePath, folders);
  const given = await trustOf(options, context);
  const view = await viewBundle(folders, { ...context, ...(given && { trust: given.trust }) });
  const platforms = await readPlatforms(view);
  const here = await presentDiscs(view);
  const { id, bundle, verdict } = view;
  const attached = await attachedRehearsal(bundle, view.control);
  const rehearsed = attachedInWords(attached);
  const { hops, fault } = await readHops(hopsBeside(context.path(place)), id);
  const tree = bundleTree(bundle, { platforms });
  if (here !== undefined) tree.push(discBranch(here.discs, here.absent));
  if (pagePath !== undefined) await writePage(pagePath, view, given, context);
  const written = pagePath === undefined ? [] : [`  page: ${pagePath}`];
  const lines = [
    ...headLines(view),
    ...(here === undefined || here.without.length === 0
      ? []
      : [`  ${withoutInWords(here.without)}`]),
    ...(rehearsed === undefined ? [] : [`  rehearsal: ${rehearsed}`]),
    ...hops.map(hopLine),
    ...(fault === undefined ? [] : [`  a statement of a hop does not count: ${fault.message}`]),
    ...written,
    ...treeLines(tree, { all: options.all === true, unicode: showsUnicode(context.terminal.env) }),
  ];
  return {
    json: {
      ...(verdict === undefined
        ? { verified: false }
        : { verified: 'signatures', signers: verdict.signers, approvers: verdict.approvers }),
      ...{ id, bundle, platforms },
      ...(rehearsed === undefined ? {} : { rehearsal: attached.rehearsal ?? attached }),
      hops: hops.map(({ hop, fingerprint }) => ({ ...hop, fingerprint })),
      ...(here === undefined
        ? {}
        : { discs: here.discs, partsAbsent: here.absent, optionalAbsent: here.without }),
      ...(pagePath === undefined ? {} : { page: pagePath }),
    },
    text: printableLines(`${lines.join('\n')}\n`),
  };
}

/** What a site says; its key is not judged. */
function hopLine({ hop, fingerprint }: CheckedHop, index: number): string {
  const { site, at, files, omitted, for: sites } = hop;
  const left = omitted === 0 ? '' : `, ${omitted} left out`;
  const whom = sites === undefined ? '' : `, for ${sites.join(', ')}`;
  return `  hop ${index + 1}: exported by site ${site} at ${at}, ${counted(files, 'file')}${left}${whom}; key of the site: SHA-256 ${fingerprint}`;
}

async function requirePlace(path: string, folders: readonly string[]): Promise<void> {
  const { requireRoom } = await import('../../bundle/report/report-files.ts');
  await requireRoom({ paths: [path] }, folders);
}

// The page and signature verification are loaded only when needed.
async function writePage(
  path: string,
  view: BundleView,
  given: GivenTrust | undefined,
  { now }: CommandContext,
): Promise<void> {
  const { inspection } = await import('../../bundle/inspect/inspection.ts');
  const { inspectionPage } = await import('../../bundle/inspect/page/inspection-page.ts');
  await writeAtomic(path, inspectionPage(await inspection(view, given, now())));
}

async function trustOf(
  { trust }: InspectOptions,
  context: CommandContext,
): Promise<GivenTrust | undefined> {
  if (trust === undefined) return undefined;
  const { readTrustFile } = await import('./trust-option.ts');
  return readTrustFile(trust, context);
}

function headLines({ bundle, verdict }: BundleView): string[] {
  const { name, version, channel, seq, resolvedAt, description, platforms } = bundle;
  return [
    `${name} ${version}, channel ${channel}, sequence ${seq}, resolved ${resolvedAt}`,
    ...(description === '' ? [] : [`  ${description}`]),
    `  ${sizeText(bundle)}, for ${platforms.join(', ')}`,
    ...(verdict === undefined
      ? ['  NOT VERIFIED: signatures were not checked; use --trust']
      : [
          ...signerLines(verdict.signers, verdict.approvers),
          '  signatures and file lists are valid; parts were not read (use stowage verify)',
        ]),
  ];
}
