import { counted } from '../../core/amount.ts';
import { printableLines } from '../../core/printable.ts';
import {
  isIntact,
  repairStore,
  type StoreState,
  verifyStore,
} from '../../site/applying/verify-store.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { openRunningSite, openSite } from './site.ts';

export interface StoreVerifyOptions {
  readonly root?: string;
  readonly repair?: readonly string[];
}

/** Verifies what a site stores of its releases and, with `--repair`, replaces what is damaged. */
export async function storeVerify(
  { root, repair }: StoreVerifyOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await (repair === undefined ? openRunningSite : openSite)(root, context);
  if (repair === undefined) {
    const state = await verifyStore(opened);
    return resultOf(opened.site.root, state, 0);
  }
  const places = repair.map((each) => context.path(each));
  const { before, after } = await repairStore(places, opened);
  return resultOf(opened.site.root, after, problemsOf(before).length - problemsOf(after).length);
}

function resultOf(root: string, state: StoreState, repaired: number): CommandResult {
  const problems = problemsOf(state);
  const sum = [
    `${counted(state.checked, 'stored file')} of ${counted(state.releases.length, 'release')} verified`,
    `${problems.length} damaged`,
    ...(repaired > 0 ? [`${repaired} repaired`] : []),
  ].join(', ');
  const remedy = isIntact(state)
    ? []
    : ['  next: stowage store verify --repair MEDIUM, with the media of the release'];
  const lines = [...problems.map(({ text }) => text), sum, ...remedy];
  const json = {
    ...{ site: root, checked: state.checked, repaired },
    damaged: problems.map(({ kind, path, release, what }) => ({ kind, path, release, what })),
  };
  return {
    json,
    text: printableLines(`${lines.join('\n')}\n`),
    ...(isIntact(state) ? {} : { exitStatus: 1 as const }),
  };
}

interface Problem {
  readonly kind: 'blob' | 'control-file' | 'placed-file' | 'release';
  readonly path: string;
  readonly release?: string;
  readonly what?: string;
  readonly text: string;
}

function problemsOf(state: StoreState): Problem[] {
  const { bad, changedFiles, changedPlaces, refused } = state;
  return [
    ...bad.map(({ path, release, what, verdict }) => ({
      ...{ kind: 'blob' as const, path, release, what },
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
