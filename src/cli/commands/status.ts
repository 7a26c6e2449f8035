import { type IncomingRelease, incomingReleases } from '../../deploy/incoming.ts';
import { type SiteStatus, siteStatus } from '../../deploy/status.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { harmless } from '../units.ts';
import { incomingJson, incomingLines } from './import.ts';
import { openSite } from './site.ts';

export async function status(
  options: { readonly root?: string },
  context: CommandContext,
): Promise<CommandResult> {
  const { site, target } = await openSite(options.root, context);
  const found = await siteStatus(site, target, context.signal);
  const incoming = await incomingReleases(site);
  return {
    json: { ...found, incoming: incoming.map(incomingJson) },
    text: describe(found) + harmless(incoming.map(describeIncoming).join('')),
  };
}

function describeIncoming(incoming: IncomingRelease): string {
  const { name, version } = incoming.bundle;
  return `${[`  not complete: ${name} ${version}`, ...incomingLines(incoming).map((line) => `  ${line}`)].join('\n')}\n`;
}

function describe(status: SiteStatus): string {
  const { generation } = status;
  const lines = [
    generation.number === 0
      ? `site ${status.site}: nothing is installed`
      : `site ${status.site}: generation ${generation.number}, applied ${generation.appliedAt}`,
    ...generation.releases.flatMap((release) => [
      `  ${release.name} ${release.version}, number ${release.seq}, bundle ${release.bundle.slice(0, 16)}`,
      ...status.services
        .filter(({ service }) => service.release === release.name)
        .flatMap(({ service, state, drift }) => {
          const ports = service.ports
            .map((port) => `http://${port.address}:${port.host}`)
            .join(', ');
          const since = state.startedAt === undefined ? '' : `since ${state.startedAt}`;
          const words = [state.state, since, state.detail, ports].filter((each) => each !== '');
          return [
            `    ${service.name}: ${words.join(' ')}`,
            ...drift.map((each) => `      DRIFT: ${each}`),
          ];
        }),
    ]),
    ...(status.generations.length > 1
      ? [`  generations kept: ${status.generations.join(', ')}`]
      : []),
    ...status.recalled.map(
      (each) => `  RECALLED: ${each.name} ${each.version}: ${each.reason}; ${each.remedy}`,
    ),
    ...(status.interrupted
      ? ['  an interrupted command left work: the next install, rollback or uninstall ends it']
      : []),
  ];
  return harmless(`${lines.join('\n')}\n`);
}
