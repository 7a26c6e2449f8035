import type { FleetStatus } from './status.ts';

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

/** The state of a fleet in the text format of Prometheus, version 0.0.4. */
export function prometheusText({ sites, defects }: FleetStatus): string {
  const active = sites.filter(({ site }) => site.retired !== true);
  const known = active.flatMap((each) =>
    each.receipt === undefined ? [] : [{ ...each, receipt: each.receipt }],
  );
  return [
    ...metric('stowage_fleet_sites', 'Sites that are not retired.', [[{}, active.length]]),
    ...metric('stowage_fleet_documents_not_in_force', 'Recorded documents that do not hold.', [
      [{}, defects.length],
    ]),
    ...metric(
      'stowage_fleet_site_healthy',
      'Whether everything ran as it should at the newest receipt.',
      known.map(({ site, receipt }) => [
        { site: site.name },
        receipt.state.failing.length === 0 ? 1 : 0,
      ]),
    ),
    ...metric(
      'stowage_fleet_site_receipt_timestamp_seconds',
      'When the newest receipt was written.',
      known.map(({ site, receipt }) => [{ site: site.name }, Date.parse(receipt.at) / 1000]),
    ),
    ...metric(
      'stowage_fleet_site_problems',
      'Problems of a site, by level.',
      active.flatMap(({ site, problems }) =>
        (['attention', 'failing'] as const).map(
          (level): Sample => [
            { site: site.name, level },
            problems.filter((each) => each.level === level).length,
          ],
        ),
      ),
    ),
    ...metric(
      'stowage_fleet_site_release',
      'What a site runs; always 1.',
      known.flatMap(({ site, receipt }) =>
        receipt.state.releases.map(
          ({ name, version }): Sample => [{ site: site.name, release: name, version }, 1],
        ),
      ),
    ),
    '',
  ].join('\n');
}

function metric(name: string, help: string, samples: readonly Sample[]): string[] {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} gauge`,
    ...samples.map(([labels, value]) => `${name}${labelText(labels)} ${value}`),
  ];
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
