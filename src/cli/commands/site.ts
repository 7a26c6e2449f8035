import type { Plan } from '../../format/plan.ts';
import type { Changed } from '../../site/applying/change.ts';
import type { SiteContext } from '../../site/site-context.ts';
import { SiteFolder } from '../../site/site-folder.ts';
import { requireKnownFormat } from '../../site/site-format.ts';
import type { Target } from '../../target/target.ts';
import { createTarget } from '../../target/targets.ts';
import { type CommandContext, type CommandResult, siteRoot } from '../command.ts';

/** Opens a site's folder, for commands that only read it. @throws StowageError `format-newer`, `state-damaged` */
export async function openFolder(
  root: string | undefined,
  context: CommandContext,
): Promise<SiteFolder> {
  const site = new SiteFolder(siteRoot(context, root));
  await requireKnownFormat(site);
  return site;
}

/** Opens a site for a command. @throws StowageError `format-newer`, `state-damaged`, `site-invalid` */
export async function openSite(
  root: string | undefined,
  context: CommandContext,
): Promise<SiteContext> {
  const { env } = context.terminal;
  const site = await openFolder(root, context);
  const { target } = await site.site();
  return { ...context, site, target: createTarget(target, { env, root: site.root }), env };
}

/** The result of a change. */
export function changeResult({ plan, receipt }: Changed, target: Target): CommandResult {
  const { to } = plan;
  if (receipt === undefined) {
    return {
      json: { changed: false, generation: plan.from.number },
      text: `nothing to do: generation ${plan.from.number} is already current\n`,
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
  if (intent === 'rollback') return `rolled back to generation ${number}; all checks passed`;
  if (intent === 'install') return `installed as generation ${number}; all checks passed`;
  return `uninstalled ${subject}; the site is now at generation ${number}`;
}
