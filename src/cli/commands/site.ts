import type { Plan } from '../../format/plan.ts';
import type { Changed } from '../../site/applying/change.ts';
import type { SiteContext } from '../../site/site-context.ts';
import { SiteFolder } from '../../site/site-folder.ts';
import { requireKnownFormat } from '../../site/site-format.ts';
import type { Target } from '../../target/target.ts';
import { createTarget } from '../../target/targets.ts';
import { type CommandContext, type CommandResult, siteRoot } from '../command.ts';

/** The folder of a site, for commands that only look. @throws StowageError `format-newer`, `state-damaged` */
export async function openFolder(
  root: string | undefined,
  context: CommandContext,
): Promise<SiteFolder> {
  const site = new SiteFolder(siteRoot(context, root));
  await requireKnownFormat(site);
  return site;
}

/** What every command of a site works on. @throws StowageError `format-newer`, `state-damaged`, `site-invalid` */
export async function openSite(
  root: string | undefined,
  context: CommandContext,
): Promise<SiteContext> {
  const { env } = context.terminal;
  const site = await openFolder(root, context);
  const { target } = await site.site();
  return { ...context, site, target: createTarget(target, { env, root: site.root }), env };
}

/** What a change came to. */
export function changeResult({ plan, receipt }: Changed, target: Target): CommandResult {
  const { to } = plan;
  if (receipt === undefined) {
    return {
      json: { changed: false, generation: plan.from.number },
      text: `nothing to do: generation ${plan.from.number} is what was asked for\n`,
    };
  }
  const releases = to.releases.flatMap((release) => [
    `  ${release.name} ${release.version}`,
    ...target
      .services(release)
      .flatMap(({ name, addresses }) =>
        addresses.map(({ url, port }) => `    ${name}: ${url} (${port})`),
      ),
  ]);
  const gates = receipt.gates.map(
    (gate) => `  passed: ${gate.service} ${gate.check}, ${gate.milliseconds} ms`,
  );
  return {
    json: { changed: true, generation: to.number, receipt },
    text: [head(plan), ...releases, ...gates, ''].join('\n'),
  };
}

function head({ intent, subject, to: { number } }: Plan): string {
  if (intent === 'rollback') return `back at generation ${number}`;
  const what = intent === 'install' ? 'installed' : `${subject} is taken off`;
  return `${what}: generation ${number} is kept`;
}
