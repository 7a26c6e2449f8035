import { join } from 'node:path';
import { counted, formatBytes, printableLines } from '../../core/text.ts';
import { writeCanonical } from '../../format/document.ts';
import { type RepairList, repairListKind } from '../../format/repair-list.ts';
import { writeAtomic } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import {
  bundleText,
  damageLists,
  isIntact,
  releasesWithDamaged,
  repairStore,
  type StoreRepair,
  type StoreState,
  verifyStore,
} from '../../site/applying/verify-store.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { openSite, openStoredSite } from './site.ts';

export interface StoreVerifyOptions {
  readonly root?: string;
  readonly repair?: readonly string[];
  readonly repairList?: string;
}

/**
 * Verifies what a site stores of its releases and, with `--repair`, replaces what is damaged. With `--repair-list`, lists
 * for the connected side what is damaged then.
 */
export async function storeVerify(
  { root, repair, repairList }: StoreVerifyOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await (repair === undefined ? openStoredSite : openSite)(root, context);
  const places = repair?.map((each) => context.path(each));
  const repaired = places === undefined ? undefined : await repairStore(places, opened);
  const state = repaired?.after ?? (await verifyStore(opened));
  const lists =
    repairList === undefined
      ? []
      : await writeLists(await damageLists(state, opened), context.path(repairList));
  return resultOf(opened.site.root, { state, repaired, lists });
}

interface Outcome {
  readonly state: StoreState;
  readonly repaired: StoreRepair | undefined;
  readonly lists: readonly WrittenList[];
}

function resultOf(root: string, { state, repaired, lists }: Outcome): CommandResult {
  const problems = problemsOf(state);
  const fixed = repaired === undefined ? 0 : problemsOf(repaired.before).length - problems.length;
  const sum = [
    `${counted(state.checked, 'stored file')} of ${counted(state.releases.length, 'release')} verified`,
    `${problems.length} damaged`,
    ...(fixed > 0 ? [`${fixed} repaired`] : []),
  ].join(', ');
  const lines = [
    ...problems.map(({ text }) => text),
    sum,
    ...(repaired === undefined ? [] : mediumLines(repaired)),
    ...(isIntact(state) ? [] : remedyLines(state)),
    ...lists.flatMap(listLines),
  ];
  const medium =
    repaired === undefined
      ? {}
      : {
          medium: {
            ...{ name: repaired.medium.bundle.name, version: repaired.medium.bundle.version },
            ...{ bundle: repaired.medium.id, damagedFiles: repaired.contains },
          },
        };
  const json = {
    ...{ site: root, checked: state.checked, repaired: fixed, ...medium },
    damaged: problems.map(({ text: _, ...each }) => each),
    ...(lists.length === 0 ? {} : { repairLists: lists.map(({ file }) => file) }),
  };
  return {
    json,
    text: printableLines(`${lines.join('\n')}\n`),
    ...(isIntact(state) ? {} : { exitStatus: 1 as const }),
  };
}

/** How many of the damaged files the media contain, if the repair is incomplete. */
function mediumLines({ before, after, medium, contains }: StoreRepair): string[] {
  if (isIntact(after) || before.bad.length === 0) return [];
  const of = counted(before.bad.length, 'damaged stored file');
  return [`  these media of ${bundleText(medium)} have ${contains} of ${of} in full`];
}

/** Which media have what is still damaged. */
function remedyLines(state: StoreState): string[] {
  const lines = [...releasesWithDamaged(state)].map(
    ([release, bad]) =>
      `  ${counted(bad.length, 'damaged stored file')} can be repaired with the media of ${bundleText(release)}`,
  );
  return [...lines, '  next: stowage store verify --repair MEDIUM, with the media of the release'];
}

interface WrittenList {
  readonly file: string;
  readonly list: RepairList;
}

/** Replaces the lists that an earlier call wrote. */
async function writeLists(lists: readonly RepairList[], folder: string): Promise<WrittenList[]> {
  if (lists.length > 0) await makeFolder(folder);
  const written: WrittenList[] = [];
  for (const list of lists) {
    const { name, version, bundle } = list;
    const isUnique =
      lists.filter((each) => `${each.name} ${each.version}` === `${name} ${version}`).length === 1;
    const id = isUnique ? '' : `-${bundle.slice(0, 16)}`;
    const file = join(folder, `${name}-${version}${id}.repair.json`);
    await writeAtomic(file, writeCanonical(repairListKind, list));
    written.push({ file, list });
  }
  return written;
}

function listLines({ file, list: { name, version, parts } }: WrittenList): string[] {
  const bytes = parts.reduce((sum, { size }) => sum + size, 0);
  return [
    `repair list: ${file}`,
    `  ${counted(parts.length, 'part')}, ${formatBytes(bytes)}, of ${name} ${version}`,
    '  next, where the complete bundle is: stowage pack --only LIST --from BUNDLE; then, here, give the result to --repair',
  ];
}

interface Problem {
  readonly kind: 'blob' | 'control-file' | 'placed-file' | 'release';
  readonly path: string;
  readonly release?: string;
  readonly what?: string;
  /** Bundles that contain it. */
  readonly bundles?: readonly {
    readonly name: string;
    readonly version: string;
    readonly id: string;
  }[];
  readonly text: string;
}

function problemsOf(state: StoreState): Problem[] {
  const { bad, changedFiles, changedPlaces, refused } = state;
  const damaged = [...releasesWithDamaged(state)];
  return [
    ...bad.map(({ digest, path, release, what, verdict }) => ({
      ...{ kind: 'blob' as const, path, release, what },
      bundles: damaged
        .filter(([, blobs]) => blobs.some((each) => each.digest === digest))
        .map(([{ id, bundle }]) => ({ name: bundle.name, version: bundle.version, id })),
      text: `${verdict}: ${what}, of release ${release} (${path})`,
    })),
    ...changedFiles.map((path) => ({
      ...{ kind: 'control-file' as const, path },
      text: `damaged: ${path} is not what was signed`,
    })),
    ...changedPlaces.map((path) => ({
      ...{ kind: 'placed-file' as const, path },
      text: `changed: ${path} is not the stored file`,
    })),
    ...refused.map(({ folder, name, error }) => ({
      ...{ kind: 'release' as const, path: folder, release: name, what: error.message },
      text: `unusable: release ${name}: ${error.message} [${error.code}]`,
    })),
  ];
}
