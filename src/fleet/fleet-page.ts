import { page } from '../bundle/html/html-page.ts';
import { type Cut, facts, moment, nothing, table } from '../bundle/html/html-parts.ts';
import { foreign, type Html, html } from '../core/html-text.ts';
import { formatAmount } from '../core/text.ts';
import { recallWords } from './releases.ts';
import type { PastReceipt } from './site-report.ts';
import {
  type FleetStatus,
  type RecallProgress,
  releaseCounts,
  type SiteStatus,
  worstOf,
} from './status.ts';
import { waitingText } from './under-way.ts';

/** What the page shows. */
export interface FleetPageContents {
  readonly status: FleetStatus;
  readonly recalls: readonly RecallProgress[];
  /** The newest receipts of a site, newest first. */
  readonly history: (site: string) => readonly PastReceipt[];
}

/** Sites whose history the page shows. */
const HISTORIES = 500;
const ALL: Cut = { rows: 20_000, elsewhere: 'stowage fleet status lists all' };

/** A fleet as one self-contained page, to read offline and to print. */
export function fleetPage(contents: FleetPageContents): Buffer {
  const { status, recalls, history } = contents;
  const { fleet, at, sites, defects } = status;
  const active = sites.filter(({ site }) => site.retired !== true);
  const bad = active.filter(({ problems }) => problems.length > 0);
  const sections: (readonly [
    id: 'problems' | 'sites' | 'releases' | 'recalls' | 'history',
    heading: string,
    content: Html,
  ])[] = [
    ['problems', 'What needs attention', problemTable(bad, defects)],
    ['sites', 'Sites by channel', byChannel(active)],
    ['releases', 'Releases', releaseTable(status)],
    ['recalls', 'Recalls', recallTable(recalls)],
    ['history', 'History of each site', histories(sites, history)],
  ];
  const shown = sections.filter(([, , content]) => content !== nothing);
  return page(
    `Fleet ${fleet}`,
    undefined,
    html`<header>
<h1>Fleet ${foreign(fleet)}</h1>
${verdict(active, bad)}${facts([
  ['As of', moment(`${at.slice(0, 19)}Z`)],
  ['Sites', html`${foreign(formatAmount(active.length, 'site'))}`],
  ['From', html`the receipts that came home; nothing here was measured at a site today`],
])}</header>
<nav aria-label="Sections of this page"><ul>
${shown.map(([id, heading]) => html`<li><a href="#${sectionId(id)}">${foreign(heading)}</a></li>\n`)}</ul></nav>
<main>
${shown.map(
  ([
    id,
    heading,
    content,
  ]) => html`<section id="${sectionId(id)}" aria-labelledby="${sectionId(id)}-heading">
<h2 id="${sectionId(id)}-heading">${foreign(heading)}</h2>
${content}</section>
`,
)}</main>
`,
  );
}

/** A constant of this file. */
function sectionId(id: string): Html {
  return id as Html;
}

function verdict(active: readonly SiteStatus[], bad: readonly SiteStatus[]): Html {
  const failing = bad.filter(({ problems }) => worstOf(problems) === 'failing').length;
  if (bad.length === 0)
    return html`<div class="verdict passed"><strong>All sites are healthy</strong><p>${foreign(formatAmount(active.length, 'site'))}, by their newest receipts.</p></div>\n`;
  return html`<div class="verdict"><strong>${foreign(formatAmount(bad.length, 'site'))} of ${foreign(active.length)} with problems</strong><p>${foreign(failing)} failing, ${foreign(bad.length - failing)} to look at.</p></div>\n`;
}

function problemTable(bad: readonly SiteStatus[], defects: FleetStatus['defects']): Html {
  const rows = [
    ...bad.flatMap(({ site, problems, alarms }) =>
      problems.map(({ level, text }) => {
        const alarm = alarms.find((each) => each.text === text);
        const documents =
          alarm === undefined
            ? nothing
            : html`<br><span class="quiet">${foreign(alarm.first)}<br>${foreign(alarm.second)}</span>`;
        const contact =
          site.contact === undefined
            ? nothing
            : html`<br><span class="quiet">contact: ${foreign(site.contact)}</span>`;
        return [
          html`${foreign(site.name)}`,
          word(level),
          html`${foreign(text)}${documents}${contact}`,
        ];
      }),
    ),
    ...defects.map(({ path, text }) => [
      html`${foreign(path)}`,
      word('attention'),
      html`not in force: ${foreign(text)}`,
    ]),
  ];
  return rows.length === 0 ? nothing : table(['Site', 'Level', 'Problem'], rows, ALL);
}

function byChannel(sites: readonly SiteStatus[]): Html {
  const channels = [...new Set(sites.flatMap(({ site }) => site.channels))].toSorted();
  const none = sites.filter(({ site }) => site.channels.length === 0);
  const groups = [
    ...channels.map(
      (channel) => [channel, sites.filter(({ site }) => site.channels.includes(channel))] as const,
    ),
    ...(none.length === 0 ? [] : [['no channel', none] as const]),
  ];
  const parts = groups.map(
    ([channel, members]) =>
      html`<h3>${foreign(channel)}</h3>\n${table(
        ['Site', 'State', 'Runs'],
        members.map(siteRow),
        ALL,
      )}`,
  );
  return parts.length === 0 ? nothing : html`${parts}`;
}

function siteRow({ site, receipt, behind, problems, underWay }: SiteStatus): Html[] {
  if (receipt === undefined)
    return [html`${foreign(site.name)}`, word('unknown'), html`no receipt came home yet`];
  const runs = receipt.state.releases.map(({ name, version }) => {
    const late = behind.find((each) => each.name === name);
    const lag =
      late === undefined
        ? nothing
        : html`, <span class="quiet">${foreign(formatAmount(late.versions, 'version'))} behind ${foreign(late.newest)} for ${foreign(formatAmount(late.days, 'day'))}</span>`;
    return html`${foreign(`${name} ${version}`)}${lag}<br>`;
  });
  const age = formatAmount(receipt.ageDays, 'day');
  return [
    html`${foreign(site.name)}`,
    html`${word(worstOf(problems) ?? 'healthy')}<br><span class="quiet">${foreign(age)} ago</span>`,
    html`${runs}${underWay === undefined ? nothing : html`<span class="quiet">under way: ${foreign(waitingText(underWay))}</span>`}`,
  ];
}

const looks: Readonly<Record<'healthy' | 'failing' | 'attention' | 'unknown', Html>> = {
  healthy: html`<span class="whole outcome-passed">healthy</span>`,
  failing: html`<span class="whole outcome-failed">failing</span>`,
  attention: html`<span class="whole">attention</span>`,
  unknown: html`<span class="whole outcome-not-run">unknown</span>`,
};

function word(state: keyof typeof looks): Html {
  return looks[state];
}

function releaseTable(status: FleetStatus): Html {
  const counts = releaseCounts(status);
  if (counts.length === 0) return nothing;
  return table(
    ['Release', 'Sequence', 'Sites', 'Healthy', 'Bundle'],
    counts.map(({ name, version, seq, sites, healthy, bundle }) => [
      html`${foreign(`${name} ${version}`)}`,
      html`${foreign(seq)}`,
      html`${foreign(sites)}`,
      html`${foreign(healthy)}`,
      html`<code>${foreign(bundle.slice(0, 16))}</code>`,
    ]),
    ALL,
  );
}

function recallTable(recalls: readonly RecallProgress[]): Html {
  if (recalls.length === 0) return nothing;
  return table(
    ['Recalled', 'Reason', 'Still running', 'Held', 'No receipt since', 'Confirmed'],
    recalls.map(({ recall, running, holding, silent, confirmed }) => [
      html`${foreign(`${recall.name} ${recall.versions}`)}`,
      html`${foreign(`${recall.reason}; ${recallWords([recall]).way}`)}`,
      html`${foreign(running.join(', ') || 'no site')}`,
      html`${foreign(holding.length)}`,
      html`${foreign(silent.length)}`,
      html`${foreign(confirmed.length)}`,
    ]),
    ALL,
  );
}

function histories(sites: readonly SiteStatus[], history: FleetPageContents['history']): Html {
  const parts = sites.slice(0, HISTORIES).flatMap(({ site }) => {
    const receipts = history(site.name);
    if (receipts.length === 0) return [];
    const rows = receipts.map(({ at, intent, outcome, generation, healthy, releases }) => [
      moment(at),
      html`${foreign(`${outcome === 'kept' ? intent : `${intent}, rolled back`}, generation ${generation}`)}`,
      word(healthy ? 'healthy' : 'failing'),
      html`${foreign(releases.map(({ name, version }) => `${name} ${version}`).join(', '))}`,
    ]);
    return [
      html`<h3>${foreign(site.name)}</h3>\n${table(['Receipt', 'Command', 'Health', 'Runs'], rows, ALL)}`,
    ];
  });
  const rest = sites.length - HISTORIES;
  if (parts.length === 0) return nothing;
  return html`${parts}${rest > 0 ? html`<p><strong>The histories of ${foreign(formatAmount(rest, 'further site'))} are not shown: stowage fleet show has each.</strong></p>\n` : nothing}`;
}
