import { counted, formatBytes, printableLines } from '../../core/text.ts';
import { requireParent } from '../../io/folder.ts';
import { uninstall as uninstallRelease } from '../../site/applying/change-release.ts';
import { clearSite, requireReceiptRoom } from '../../site/applying/clear-site.ts';
import { type Forgotten, forgetRelease } from '../../site/applying/forget-release.ts';
import { currentGeneration } from '../../site/generations.ts';
import type { SiteContext } from '../../site/site-folder.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { requireConfirmation } from './ask.ts';
import { changeResult, openSite } from './site.ts';

export interface UninstallOptions {
  readonly everything?: boolean;
  readonly receipt?: string;
  readonly yes?: boolean;
  /** Shows the plan instead: `planUninstall`. */
  readonly dryRun?: boolean;
  readonly root?: string;
}

export async function uninstall(
  release: string | undefined,
  options: UninstallOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { everything = false, receipt } = options;
  if (everything === (release !== undefined))
    throw usage(
      'give a release or --everything',
      'exactly one of them',
      everything ? 'both' : 'neither',
    );
  if (everything !== (receipt !== undefined))
    throw usage(
      '--everything and --receipt must be used together',
      'both or neither',
      'one of them',
      'for example: stowage uninstall --everything --receipt last.json; the receipt says what the site had',
    );
  if (receipt !== undefined) await requireParent(context.path(receipt));
  const opened = await openSite(options.root, context);
  if (release !== undefined)
    return changeResult(await uninstallRelease(release, opened), opened.target);
  const file = context.path(receipt ?? '');
  await requireReceiptRoom(opened.site, file);
  if (options.yes !== true) await confirm(opened, context);
  await (await import('./depot-service.ts')).removeDepotService(opened.site, context);
  const releases = await clearSite({ ...opened, receipt: file });
  return {
    json: { releases, root: opened.site.root, receipt: file },
    text: `uninstalled ${releases.join(', ') || 'no release'}; deleted ${opened.site.root}\n  last receipt: ${file}\n`,
  };
}

/**
 * Asks for the name of the site before everything at it is deleted.
 * @throws StowageError `usage-invalid` without a terminal, or for another answer
 */
async function confirm({ site, target }: SiteContext, context: CommandContext): Promise<void> {
  const { name } = await site.site();
  const { releases } = await currentGeneration(site);
  const services = releases.flatMap((release) =>
    target.services(release).map((each) => `  ${release.name} ${release.version}: ${each.name}`),
  );
  const about = [
    `This stops and removes ${counted(releases.length, 'release')} and deletes ${site.root}, with its models, images, keys, ledger and receipts.`,
    ...services,
    `Type the name of the site, ${name}, to continue: `,
  ];
  await requireConfirmation(
    {
      question: about.join('\n'),
      needed: 'removing everything needs confirmation',
      expected: `the name of the site, ${name}`,
      isExpected: (answer) => answer === name,
    },
    context,
  );
}

export interface ForgetCommandOptions {
  readonly yes?: boolean;
  /** Shows the plan instead: `planUninstall`. */
  readonly dryRun?: boolean;
  readonly root?: string;
}

/** Removes a stored release that is not installed. Asks first where it cannot come back, or a receipt promised to keep it. */
export async function forget(
  release: string,
  options: ForgetCommandOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { dryRun = false } = options;
  const opened = await openSite(options.root, context);
  if (!dryRun && options.yes !== true)
    await confirmForgetting(await forgetRelease(release, { ...opened, dryRun: true }), context);
  const found = await forgetRelease(release, { ...opened, dryRun });
  const { generations, blobs, bytes, keptBy } = found;
  const lines = [
    `${dryRun ? 'would remove' : 'removed'} release ${found.release}: ${counted(blobs, 'blob')}, ${formatBytes(bytes)}`,
    ...(generations.length === 0
      ? []
      : [
          `  with ${generations.length === 1 ? 'generation' : 'generations'} ${generations.join(', ')}: no rollback to ${generations.length === 1 ? 'it' : 'them'} is possible anymore`,
        ]),
    ...losses(found).map((each) => `  ${each}`),
    ...(keptBy.length === 0
      ? []
      : [
          `  its blobs stay in the store: ${keptBy.join(', ')} may need them; next: finish the import or run stowage gc --incomplete`,
        ]),
  ];
  return { json: { ...found, dryRun }, text: printableLines(`${lines.join('\n')}\n`) };
}

/** What is lost with a release, other than its files. */
function losses({ final, promisedUntil }: Forgotten): string[] {
  return [
    ...(final ? ['it cannot be imported again, because a newer version was imported'] : []),
    ...(promisedUntil === undefined
      ? []
      : [
          `a receipt promises to keep it until ${promisedUntil}: increments made from that receipt cannot be completed without it`,
        ]),
  ];
}

/** @throws StowageError `usage-invalid` without a terminal, or for another answer; `interrupted` */
async function confirmForgetting(planned: Forgotten, context: CommandContext): Promise<void> {
  const lost = losses(planned);
  if (lost.length === 0) return;
  const { release } = planned;
  await requireConfirmation(
    {
      question: [
        `This removes release ${release}:`,
        ...lost.map((each) => `  ${each}`),
        'Continue? [y/N] ',
      ].join('\n'),
      needed: `removing release ${release} needs confirmation: ${lost.join('; ')}`,
      expected: 'y',
      isExpected: (answer) => /^y(?:es)?$/i.test(answer),
    },
    context,
  );
}
