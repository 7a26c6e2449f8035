import type { NamedSigner } from '../../bundle/inspect/comparable.ts';
import { type ComparedIdentity, type Difference, differenceIn } from '../../bundle/inspect/diff.ts';
import {
  type Branch,
  changeBranch,
  differenceBranches,
  namedChangeBranch,
  valueText,
} from '../../content/branches.ts';
import type { ContentKind } from '../../content/content-kind.ts';
import { kinds } from '../../content/kinds.ts';
import { digestHex } from '../../core/digest.ts';
import type { Json } from '../../core/json.ts';
import { formatAmount, formatBytes, printableLines } from '../../core/text.ts';
import type { Finding } from '../../format/finding.ts';
import { type TreeStyle, treeLines } from '../tree.ts';

/** A difference as text: the transfer size, then what was added (+), removed (-) and changed (~). */
export function diffText(difference: Difference, style: TreeStyle): string {
  const { from, to, same } = difference;
  const lines = [
    `${nameOf(from)} -> ${nameOf(to)}`,
    ...standing(from, to),
    ...(same ? ['  the contents are identical'] : []),
    `  ${travel(difference)}`,
    ...treeLines(groups(difference), style),
  ];
  return printableLines(`${lines.join('\n')}\n`);
}

function nameOf({ name, version, channel, seq }: ComparedIdentity): string {
  return `${name} ${version} (channel ${channel}, sequence ${seq})`;
}

function standing(...sides: readonly ComparedIdentity[]): string[] {
  if (sides.every(({ verified }) => verified))
    return ['  signatures and file lists of both are valid; parts were not read'];
  if (sides.every(({ kind }) => kind === 'lock')) return ['  locks are not signed'];
  return ['  NOT VERIFIED: signatures were not checked; use --trust'];
}

function travel({ from, travel: each }: Difference): string {
  const others =
    from.kind === 'lock'
      ? ''
      : ` and ${formatBytes(each.otherBytes)} of lists, attestations and installers`;
  return `to transfer: ${formatBytes(each.bytes)} in ${formatAmount(each.blobs, 'blob')}${others}; unchanged: ${formatBytes(each.sharedBytes)} in ${formatAmount(each.sharedBlobs, 'blob')}`;
}

function groups(difference: Difference): Branch[] {
  const { configuration, licenses, findings } = difference;
  return [
    group('release', difference.release.map(changeBranch)),
    ...kinds.map((kind) => group(kind.section, itemBranches(kind, difference))),
    group('licenses', [
      ...licenses.models.map((each) => changeBranch({ ...each, path: `model ${each.path}` })),
      ...licenses.added.map((each) => ({ text: `+ ${each} (packages)` })),
      ...licenses.removed.map((each) => ({ text: `- ${each} (packages)` })),
    ]),
    group(
      'chat templates',
      differenceBranches(
        difference.chatTemplates,
        ({ source, file }) => `${source}: ${file}`,
        ({ source, file, from, to }) => ({
          text: `~ ${source}: ${file}`,
          below: [{ text: `${from.map(short).join(', ')} -> ${to.map(short).join(', ')}` }],
        }),
      ),
    ),
    group(
      'services',
      differenceBranches(
        configuration.services,
        ({ name, image }) => `${name}  image ${image}`,
        namedChangeBranch,
      ),
    ),
    group(
      'acceptance',
      differenceBranches(
        configuration.acceptance,
        (each) => valueText(each as unknown as Json),
        never,
      ),
    ),
    group('other configuration', configuration.other.map(changeBranch)),
    ...(findings === undefined
      ? [{ text: 'findings: cannot be compared, because one side has no readable findings' }]
      : [group('findings', differenceBranches(findings, findingLine, never))]),
    ...(difference.installers === undefined
      ? []
      : [
          group(
            'installers',
            differenceBranches(
              difference.installers,
              ({ path, size }) => `${path}, ${formatBytes(size)}`,
              namedChangeBranch,
            ),
          ),
        ]),
    ...(difference.rehearsals === undefined
      ? []
      : [
          group(
            'rehearsals',
            differenceBranches(difference.rehearsals, (each) => each, never),
          ),
        ]),
    group('signers', differenceBranches(difference.signers, signerLine, never)),
  ].filter(({ below }: Branch) => below === undefined || below.length > 0);
}

function group(text: string, below: readonly Branch[]): Branch {
  return { text, below };
}

function itemBranches(kind: ContentKind, difference: Difference): Branch[] {
  return differenceBranches(
    differenceIn(difference, kind),
    (summary) => kind.summaryLine(summary),
    (change) => kind.changeBranch(change, difference.from.kind),
  );
}

function never(each: never): Branch {
  return each;
}

function findingLine({ severity, rule, source, file, message, allowed }: Finding): string {
  const why = allowed === undefined ? '' : ` (allowed: ${allowed})`;
  return `${severity} ${rule} in ${source}: ${file}: ${message}${why}`;
}

function signerLine({ file, subject, algorithm, key, counted, broken }: NamedSigner): string {
  if (subject === undefined) return `${file}: ${broken ?? 'cannot be read'}`;
  const standingOf = { true: 'counts', false: 'does not count', undefined: 'not checked' } as const;
  return `${subject}, ${algorithm ?? ''}, key ${key ?? ''}: ${standingOf[`${counted}`]}`;
}

function short(digest: Parameters<typeof digestHex>[0]): string {
  return digestHex(digest).slice(0, 16);
}
