import type { Changed, ChangeOptions } from '../../deploy/change.ts';
import { SiteFolder } from '../../deploy/site-folder.ts';
import { createPodman } from '../../target/podman.ts';
import { type CommandContext, type CommandResult, siteRoot } from '../command.ts';

/** What every command of a site works on. */
export function openSite(root: string | undefined, context: CommandContext): ChangeOptions {
  return {
    ...context,
    site: new SiteFolder(siteRoot(context, root)),
    target: createPodman({ env: context.terminal.env }),
    env: context.terminal.env,
  };
}

/** What a change came to. */
export function changeResult({ plan, receipt }: Changed): CommandResult {
  const { to } = plan;
  if (receipt === undefined) {
    return {
      json: { changed: false, generation: plan.from.number },
      text: `nothing to do: generation ${plan.from.number} is what was asked for\n`,
    };
  }
  const releases = to.releases.flatMap((release) => [
    `  ${release.name} ${release.version}`,
    ...release.services.flatMap((service) =>
      service.ports.map(
        (port) => `    ${service.name}: http://${port.address}:${port.host} (${port.name})`,
      ),
    ),
  ]);
  const gates = receipt.gates.map(
    (gate) => `  passed: ${gate.service} ${gate.check}, ${gate.milliseconds} ms`,
  );
  return {
    json: { changed: true, generation: to.number, receipt },
    text: [`generation ${to.number} is kept`, ...releases, ...gates, ''].join('\n'),
  };
}
