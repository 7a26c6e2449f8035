import type { NoticeContents } from '../../bundle/notice/notice-contents.ts';
import { counted } from '../../core/text.ts';
import { type Advisory, openIn } from '../../format/advisory.ts';
import type { Notice } from '../../format/notice.ts';
import type { ReleaseScan } from '../../site/release-scans.ts';

/** An advisory with its date: what became known later is not in it. And what was not scanned, one line for each. */
export function advisoryLines(advisory: Advisory): string[] {
  const { at, about } = advisory;
  return [
    `advisory of ${at}${about === undefined ? '' : ` for ${about}`}${scannerWords(advisory)}: ${foundWords(advisory)}`,
    ...notScannedLines(advisory),
  ];
}

/** What the newest scan of a release found, with its date; or that the site knows of none. */
export function scanLines({ scan }: ReleaseScan): string[] {
  if (scan === undefined) return ['NOT SCANNED: no advisory about this bundle was imported'];
  return [`scanned ${scan.at}${scannerWords(scan)}: ${foundWords(scan)}`, ...notScannedLines(scan)];
}

function scannerWords({ scanner, databaseBuilt }: Advisory): string {
  if (scanner === undefined) return '';
  return databaseBuilt === undefined
    ? ` by ${scanner}`
    : ` by ${scanner} with a database of ${databaseBuilt.slice(0, 10)}`;
}

function foundWords(advisory: Advisory): string {
  const open = openIn(advisory);
  const ids = open
    .slice(0, 5)
    .map(({ id, state }) => `${id} (${state.replaceAll('_', ' ')})`)
    .join(', ');
  const more = open.length > 5 ? ` and ${open.length - 5} more` : '';
  const amount = counted(advisory.vulnerabilities.length, 'vulnerability', 'vulnerabilities');
  return `${amount}, ${open.length} open${ids === '' ? '' : `: ${ids}${more}`}`;
}

function notScannedLines({ notScanned }: Advisory): string[] {
  return notScanned.map((each) => `  NOT SCANNED: ${each}`);
}

/** When a notice was made and for which sites, in a few words. */
export function noticeHead({ createdAt, sites }: Pick<Notice, 'createdAt' | 'sites'>): string {
  const [first, ...others] = sites ?? [];
  const who =
    first === undefined
      ? 'every site'
      : others.length < 10
        ? [first, ...others].join(', ')
        : `${first} and ${others.length} more sites`;
  return `made ${createdAt}, for ${who}`;
}

/** What a notice says, one line for each document. */
export function contentLines(
  { recalls, promotions, approvals, advisories }: NoticeContents,
  { documents }: Notice,
): string[] {
  return [
    ...documents.flatMap(({ content, path }) =>
      content === 'trust' ? [`  trust document ${/[0-9]+/.exec(path)?.[0]}`] : [],
    ),
    ...recalls.map(
      ({ release, versions, reason, strategy }) =>
        `  recall of ${release} ${versions}: ${reason}; ${strategy === 'forward' ? 'upgrade only' : `upgrade, or go back to ${strategy.backTo} or later`}`,
    ),
    ...promotions.map(
      ({ promotion: { release, version, to, bundle } }) =>
        `  promotion of ${release} ${version} to channel ${to}, bundle ${bundle.slice(0, 16)}`,
    ),
    ...approvals.map(({ digest }) => `  approval of the plan with SHA-512 ${digest.slice(0, 16)}`),
    ...advisories.flatMap(advisoryLines).map((each) => `  ${each}`),
  ];
}
