import type { Change, Named } from '../../bundle/inspect/changes.ts';
import type {
  Difference,
  ImageChange,
  ModelChange,
  ModelSummary,
  NamedChange,
  SideIdentity,
} from '../../bundle/inspect/diff.ts';
import type { NamedSigner } from '../../bundle/inspect/signers.ts';
import { formatAmount, formatBytes } from '../../core/amount.ts';
import { canonicalJson, type Json } from '../../core/canonical-json.ts';
import { digestHex } from '../../core/digest.ts';
import { printableLines } from '../../core/printable.ts';
import type { Finding } from '../../format/finding.ts';
import { type Branch, treeLines } from '../tree.ts';

/** A difference for a person: what must travel, then what was added (+), removed (-) and changed (~). */
export function diffText(difference: Difference, all: boolean): string {
  const { from, to, same } = difference;
  const lines = [
    `${nameOf(from)} -> ${nameOf(to)}`,
    ...standing(from, to),
    ...(same ? ['  the contents are the same'] : []),
    `  ${travel(difference)}`,
    ...treeLines(groups(difference), all),
  ];
  return printableLines(`${lines.join('\n')}\n`);
}

function nameOf({ name, version, channel, seq }: SideIdentity): string {
  return `${name} ${version} (channel ${channel}, number ${seq})`;
}

function standing(...sides: readonly SideIdentity[]): string[] {
  if (sides.every(({ verified }) => verified))
    return ['  signatures and lists of both hold; parts were not read'];
  if (sides.every(({ kind }) => kind === 'lock')) return ['  locks, which nobody signed'];
  return ['  NOT VERIFIED: what is said here is what the bundles say of themselves: give --trust'];
}

function travel({ from, travel: each }: Difference): string {
  const others =
    from.kind === 'lock' ? '' : `, beside ${formatBytes(each.otherBytes)} of lists and the like`;
  return `must travel: ${formatBytes(each.bytes)} in ${formatAmount(each.blobs, 'blob')}${others}; ${formatBytes(each.sharedBytes)} in ${formatAmount(each.sharedBlobs, 'blob')} are there already`;
}

function groups(difference: Difference): Branch[] {
  const unlisted =
    difference.from.kind === 'lock'
      ? []
      : [{ text: 'packages: not comparable, as one side has no list that can be read' }];
  const { configuration, licenses, findings } = difference;
  return [
    group('release', difference.release.map(changeBranch)),
    group('models', named(difference.models, modelLine, modelChange)),
    group(
      'images',
      named(
        difference.images,
        ({ name, source, digest }) => `${name}  ${source} ${digest}`,
        (each) => imageChange(each, unlisted),
      ),
    ),
    group(
      'files',
      named(
        difference.files,
        ({ name, path, size }) => `${name}  ${path}, ${formatBytes(size)}`,
        namedChange,
      ),
    ),
    group('licences', [
      ...licenses.models.map((each) => changeBranch({ ...each, path: `model ${each.path}` })),
      ...licenses.added.map((each) => ({ text: `+ ${each}, of packages` })),
      ...licenses.removed.map((each) => ({ text: `- ${each}, of packages` })),
    ]),
    group(
      'chat templates',
      named(
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
      named(configuration.services, ({ name, image }) => `${name}  image ${image}`, namedChange),
    ),
    group(
      'acceptance',
      named(configuration.acceptance, (each) => shown(each as unknown as Json), never),
    ),
    group('other configuration', configuration.other.map(changeBranch)),
    ...(findings === undefined
      ? [{ text: 'findings: not comparable, as one side has none that can be read' }]
      : [group('findings', named(findings, findingLine, never))]),
    group('signers', named(difference.signers, signerLine, never)),
  ].filter(({ below }: Branch) => below === undefined || below.length > 0);
}

function group(text: string, below: readonly Branch[]): Branch {
  return { text, below };
}

function named<T, C>(
  { added, removed, changed }: Named<T, C>,
  line: (each: T) => string,
  branch: (each: C) => Branch,
): Branch[] {
  // What changed comes first: of a long list the end is folded.
  return [
    ...changed.map(branch),
    ...added.map((each) => ({ text: `+ ${line(each)}` })),
    ...removed.map((each) => ({ text: `- ${line(each)}` })),
  ];
}

function never(each: never): Branch {
  return each;
}

function modelLine({
  name,
  repository,
  commit,
  license = 'unknown',
  files,
  size,
}: ModelSummary): string {
  return `${name}  ${repository} at ${commit}, licence ${license}, ${formatBytes(size)} in ${formatAmount(files, 'file')}`;
}

function namedChange({ name, changes }: NamedChange): Branch {
  return { text: `~ ${name}`, below: changes.map(changeBranch) };
}

function modelChange({ files, ...change }: ModelChange): Branch {
  const { text, below = [] } = namedChange(change);
  const changedFiles = named(
    files,
    ({ path, size }) => `${path}  ${formatBytes(size)}`,
    ({ path, from, to }) => ({
      text: `~ ${path}  ${formatBytes(from.size)} -> ${formatBytes(to.size)}`,
    }),
  );
  return { text, below: [...below, ...changedFiles] };
}

function imageChange({ packages, ...change }: ImageChange, unlisted: readonly Branch[]): Branch {
  const { text, below = [] } = namedChange(change);
  if (packages === undefined) return { text, below: [...below, ...unlisted] };
  const list = named(
    packages,
    ({ type, name, version }) => `${type} ${name} ${version}`,
    ({ type, name, from, to }) => ({
      text: `~ ${type} ${name} ${from.join(', ')} -> ${to.join(', ')}`,
    }),
  );
  return {
    text,
    below: [...below, group('packages', list)].filter((each) => each.below?.length !== 0),
  };
}

function changeBranch({ path, from, to }: Change): Branch {
  if (from === undefined) return { text: `+ ${path}: ${shown(to)}` };
  if (to === undefined) return { text: `- ${path}: ${shown(from)}` };
  return { text: `~ ${path}: ${shown(from)} -> ${shown(to)}` };
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

/** A value on one line: texts as they are where nothing is unclear. */
function shown(value: Json | undefined): string {
  if (value === undefined) return 'nothing';
  return typeof value === 'string' && /^[\w@:/.+-]+$/.test(value) ? value : canonicalJson(value);
}

function short(digest: Parameters<typeof digestHex>[0]): string {
  return digestHex(digest).slice(0, 16);
}
