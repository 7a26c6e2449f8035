import { findBundles } from '../../bundle/increment/known-bundles.ts';
import { counted, formatBytes, printableLines } from '../../core/text.ts';
import { exportBundle } from '../../site/exporting/export-bundle.ts';
import { findRelease, listReleases, signedBundle } from '../../site/release/release.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { parseDiscSize } from './disc-size.ts';
import { type IncrementOptions, incrementLines, leftOut, readReceivers } from './increment.ts';
import { openFolder } from './site.ts';

export interface ExportCommandOptions extends Omit<IncrementOptions, 'store'> {
  readonly to: string;
  readonly discSize?: string;
  readonly root?: string;
}

/** Writes an imported bundle again for another network, whole or without what the sites there store or do without. */
export async function exportCommand(
  text: string,
  options: ExportCommandOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const discSize = options.discSize === undefined ? undefined : parseDiscSize(options.discSize);
  const site = await openFolder(options.root, context);
  const release = await findRelease(site, text);
  const used = site.path('receipts', 'of-other-sites');
  const sites = await readReceivers(options, context, {
    used,
    find: async (places) => {
      const { releases } = await listReleases(site);
      const given = await findBundles(places, used);
      return async (id) => {
        const known = releases.find((each) => each.id === id);
        return known === undefined ? given(id) : signedBundle(known);
      };
    },
  });
  const increment = leftOut(signedBundle(release), options, sites, context);
  const output = context.path(options.to);
  const exported = await exportBundle(release, {
    ...{ ...context, site, output },
    ...(discSize === undefined ? {} : { discSize }),
    ...(increment === undefined
      ? {}
      : {
          leftOut: {
            omitted: increment.omitted,
            ...(sites === undefined ? {} : { sites: sites.receivers.map((each) => each.site) }),
          },
        }),
  });
  await sites?.recordUsed();
  const { bytes, files, absent, discs, hop, hops } = exported;
  const { name, version } = release.bundle;
  const lines = [
    `${name} ${version}: written to ${output}, with its first signatures`,
    `  ${counted(files, 'file')}, ${formatBytes(bytes)}`,
    ...(discs.length === 0 ? [] : [`  ${counted(discs.length, 'disc')}`]),
    ...incrementLines(increment, sites),
    ...absent.map((path) => `  without ${path}, which never reached this site`),
    `  the hop is stated in ${hops}: carry it beside the bundle`,
    `  SHA-512 of SHA512SUMS: ${release.id}`,
  ];
  return {
    json: { output, id: release.id, discs, files, bytes, absent, hop, hops },
    text: printableLines(`${lines.join('\n')}\n`),
  };
}
