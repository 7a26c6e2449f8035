import { withoutInWords } from '../../content/optional.ts';
import { counted, printableLines } from '../../core/text.ts';
import type { DeployedRelease } from '../../format/plan.ts';
import type { ServiceStatus } from '../../site/service-status.ts';
import type { SiteStatus } from '../../site/status.ts';
import { generationLines } from './history-lines.ts';
import { advisoryLines, scanLines } from './notice-lines.ts';
import { withdrawnLines } from './site.ts';
import { INTERRUPTED } from './site-check.ts';

/** The command that repairs the services of a release, with its version: without one, a newer import may be installed. */
function repairLines(
  { services, busy, mark }: SiteStatus,
  release: DeployedRelease,
): readonly string[] {
  const { name, version } = release;
  const isBroken = ({ state, drift, stoppedAt }: ServiceStatus): boolean =>
    drift.length > 0 || (state.state !== 'running' && stoppedAt === undefined);
  const broken = services.some((each) => each.release === name && isBroken(each));
  if (!broken || busy !== undefined || mark(release) === 'recalled') return [];
  return [`    to repair changed and stopped services: stowage install ${name}@${version}`];
}

/** The notices that a site imported, and the advisories in them that are not shown with the release that was scanned. */
function noticeLines({ notices, advisories, scans = [] }: SiteStatus): string[] {
  const shown = new Set(scans.map(({ scan }) => scan));
  return [
    ...notices.map(({ issuer, serial, at }) => `notice ${serial} of ${issuer}, imported ${at}`),
    ...(advisories === undefined
      ? ['CHANGED: a stored notice is not as it was imported; its advisories are not shown']
      : advisories.filter((each) => !shown.has(each)).flatMap(advisoryLines)),
  ];
}

/** The state of a site for a person: its releases, their services, and what needs attention with the next command. */
export function statusText(status: SiteStatus): string {
  const { generation } = status;
  const lines = [
    generation.number === 0
      ? `site ${status.site}: nothing is installed`
      : `site ${status.site}: generation ${generation.number}, applied ${generation.appliedAt}`,
    ...generation.releases.flatMap((release) => [
      `  ${release.name} ${release.version}, sequence ${release.seq}, bundle ${release.bundle.slice(0, 16)}`,
      ...status.services
        .filter((each) => each.release === release.name)
        .flatMap(({ service, state, drift, readiness, stoppedAt }) => {
          const ports = service.addresses.map(({ url }) => url).join(', ');
          const moment = state.state === 'running' ? state.startedAt : state.finishedAt;
          const since = moment === undefined ? '' : `since ${moment}`;
          // Stopping a service removes its container.
          const isGone = stoppedAt !== undefined && state.state === 'absent';
          const running = [isGone ? 'stopped' : state.state, since]
            .filter((each) => each !== '')
            .join(' ');
          const words = [running, state.detail, ports].filter((each) => each !== '');
          return [
            `    ${service.name}: ${words.join(', ')}`,
            ...(stoppedAt === undefined
              ? []
              : [
                  `      stopped on purpose at ${stoppedAt}; start it with "stowage start ${release.name} ${service.name}"`,
                ]),
            ...(readiness === undefined || readiness.ready
              ? []
              : [`      NOT READY: ${readiness.found}, checked with ${readiness.check}`]),
            ...drift.map(
              ({ field, expected, found }) =>
                `      DRIFT: ${field}: expected ${expected}, found ${found}`,
            ),
          ];
        }),
      ...status.leftOut
        .filter(({ bundle }) => bundle === release.bundle)
        .map(({ parts }) => `    ${withoutInWords(parts)}`),
      ...repairLines(status, release),
      ...(status.scans ?? [])
        .filter(({ bundle }) => bundle === release.bundle)
        .flatMap(scanLines)
        .map((each) => `    ${each}`),
    ]),
    ...(status.notRestricted === undefined ? [] : [`  NOT RESTRICTED: ${status.notRestricted}`]),
    ...(status.kept.length > 1
      ? generationLines(status.kept, generation.number, status.mark).map((each) => `  ${each}`)
      : []),
    ...withdrawnLines(status).map((each) => `  ${each}`),
    ...(status.damage === undefined
      ? []
      : [
          `  DAMAGED: ${counted(status.damage.files.length, 'stored file')}, verified at ${status.damage.at}; next: stowage store verify --repair MEDIUM`,
        ]),
    ...status.overrides.map(
      ({ rule, by, reason, until }) => `  OVERRIDDEN: ${rule} until ${until}: ${reason}, by ${by}`,
    ),
    ...noticeLines(status).map((each) => `  ${each}`),
    ...(status.busy === undefined
      ? []
      : [
          `  another command is running at this site (process ${status.busy}): services may change`,
        ]),
    ...(status.interrupted ? [`  ${INTERRUPTED}`] : []),
  ];
  return printableLines(`${lines.join('\n')}\n`);
}
