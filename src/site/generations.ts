import { readlink, rename, symlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { StowageError, systemCode } from '../core/error.ts';
import { parseCanonical } from '../core/json.ts';
import { readCanonical, writeCanonical } from '../format/document.ts';
import type { LedgerEntry } from '../format/ledger.ts';
import {
  type DeployedRelease,
  type Generation,
  type GenerationSummary,
  generationKind,
  generationSummary,
} from '../format/plan.ts';
import { ioError, namesIn, remove, syncFolder, writeAtomic } from '../io/file.ts';
import { readState, type SiteFolder } from './site-folder.ts';

/** The generation of a new site. */
export const emptyGeneration: Generation = {
  schema: 'stowage/generation/v2',
  number: 0,
  appliedAt: '1970-01-01T00:00:00Z',
  releases: [],
};

/** The generation that the link `current` names, or the empty one. @throws StowageError `state-damaged` */
export async function currentGeneration(site: SiteFolder): Promise<Generation> {
  try {
    const name = basename(await readlink(site.path('current')));
    return await loadGeneration(site, Number.parseInt(name, 10));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return emptyGeneration;
    if (error instanceof StowageError && error.code === 'generation-unknown') throw dangling(error);
    throw ioError(error, site.path('current'));
  }
}

function dangling(cause: StowageError): StowageError {
  return new StowageError('state-damaged', 'the current generation of this site is missing', {
    expected: 'the generation that the link current names',
    found: `generations ${cause.expected ?? 'none'}`,
    hint: generationKind.hint,
    cause,
  });
}

/** @throws StowageError `generation-unknown`, `state-damaged` */
export async function loadGeneration(site: SiteFolder, number: number): Promise<Generation> {
  if (number === 0) return emptyGeneration;
  try {
    const bytes = await readState(file(site, number), generationKind.maxBytes);
    return readCanonical(generationKind, bytes);
  } catch (error) {
    if (!(error instanceof StowageError) || error.code !== 'file-missing') throw error;
    throw new StowageError('generation-unknown', `this site has no generation ${number}`, {
      expected: (await generationNumbers(site)).join(', ') || 'none yet',
      found: String(number),
      hint: 'run stowage history to list the kept generations',
      cause: error,
    });
  }
}

/** The numbers of all kept generations, ascending. */
export async function generationNumbers(site: SiteFolder): Promise<number[]> {
  return (await namesIn(site.path('generations')))
    .filter((name) => /^[1-9][0-9]*\.json$/.test(name))
    .map((name) => Number.parseInt(name, 10))
    .toSorted((a, b) => a - b);
}

/** All kept generations, ascending; what their releases run is looked at by a rollback. @throws StowageError `state-damaged` */
export async function keptGenerations(site: SiteFolder): Promise<GenerationSummary[]> {
  const kept: GenerationSummary[] = [];
  for (const number of await generationNumbers(site)) {
    const bytes = await readState(file(site, number), generationKind.maxBytes);
    // One of an earlier version, or a damaged one, is read as a whole.
    kept.push(summaryIn(bytes) ?? summaryOf(await loadGeneration(site, number)));
  }
  return kept;
}

function summaryIn(bytes: Buffer): GenerationSummary | undefined {
  try {
    return generationSummary(parseCanonical(bytes));
  } catch {
    return undefined;
  }
}

function summaryOf({ number, appliedAt, releases }: Generation): GenerationSummary {
  const its = releases.map(({ name, version, seq, bundle }) => ({ name, version, seq, bundle }));
  return { number, appliedAt, releases: its };
}

/**
 * The kept generations that rollbacks return to, nearest first: the one that ran when the current one was installed, then the one
 * that ran before that. Earlier ones that rollbacks left behind come last, newest first. Pure.
 * @param kept the numbers of all kept generations
 */
export function earlierGenerations(
  current: number,
  kept: readonly number[],
  entries: readonly LedgerEntry[],
): number[] {
  const predecessors = predecessorsIn(entries);
  const earlier = kept.filter((each) => each < current).toSorted((a, b) => b - a);
  const path: number[] = [];
  // Each generation has a higher number than the one before it, whatever a ledger contains.
  for (let number = current; number > 0; ) {
    const last = number;
    number = predecessors.get(number) ?? 0;
    if (number >= last) break;
    if (earlier.includes(number)) path.push(number);
  }
  return [...path, ...earlier.filter((each) => !path.includes(each))];
}

/** For each generation that a command made, the one that ran before. */
function predecessorsIn(entries: readonly LedgerEntry[]): Map<number, number> {
  const predecessors = new Map<number, number>();
  let running = 0;
  for (const { event } of entries) {
    if (event.kind !== 'command' || event.outcome !== 'kept') continue;
    const { command, generation, release } = event;
    // A rollback makes no generation, also if it was interrupted and then finished: that has no release.
    const made = command !== 'rollback' && (command !== 'recover' || release !== undefined);
    if (made && generation !== running) predecessors.set(generation, running);
    running = generation;
  }
  return predecessors;
}

/** The number of the next generation. */
export async function nextNumber(site: SiteFolder): Promise<number> {
  return ((await generationNumbers(site)).at(-1) ?? 0) + 1;
}

/** Writes the generation and makes it current: one rename of one link. Repeating it changes nothing. */
export async function switchTo(site: SiteFolder, generation: Generation): Promise<void> {
  const current = site.path('current');
  if (generation.number === 0) {
    await remove(current);
    await syncFolder(site.root);
    return;
  }
  await writeAtomic(file(site, generation.number), writeCanonical(generationKind, generation));
  const temporary = site.path('.current.tmp');
  await remove(temporary);
  try {
    await symlink(`generations/${generation.number}.json`, temporary);
    await rename(temporary, current);
    await syncFolder(site.root);
  } catch (error) {
    throw ioError(error, current);
  }
}

/**
 * Converts each generation of an older format version, with one rename each. The current generation stays current.
 * Repeating it changes nothing.
 * @throws StowageError `format-newer`, `state-damaged`, `io-failed`
 */
export async function convertGenerations(site: SiteFolder): Promise<void> {
  for (const number of await generationNumbers(site)) {
    const path = file(site, number);
    const bytes = await readState(path, generationKind.maxBytes);
    const converted = writeCanonical(generationKind, readCanonical(generationKind, bytes));
    if (!converted.equals(bytes)) await writeAtomic(path, converted);
  }
}

/** Removes the file of a generation. */
export async function forgetGeneration(site: SiteFolder, number: number): Promise<void> {
  await remove(file(site, number));
}

function file(site: SiteFolder, number: number): string {
  return site.path('generations', `${number}.json`);
}

/**
 * A release of a generation.
 * @param text `NAME`, or `NAME@VERSION` with the version that is installed
 * @throws StowageError `release-unknown`
 */
export function installedRelease({ releases }: Generation, text: string): DeployedRelease {
  const [name = '', ...versions] = text.split('@');
  const release = releases.find((each) => each.name === name);
  const version = versions.length === 0 ? release?.version : versions.join('@');
  if (release !== undefined && release.version === version) return release;
  if (release !== undefined)
    throw new StowageError('release-unknown', `release ${text} is not installed at this site`, {
      expected: `${name}@${release.version}, which is installed`,
      found: text,
      hint: `give ${name} or ${name}@${release.version}; to change the version, run stowage install`,
    });
  throw new StowageError('release-unknown', `release ${text} is not installed at this site`, {
    expected:
      releases.map((each) => `${each.name}@${each.version}`).join(', ') ||
      'no release: nothing is installed',
    found: text,
    hint: 'run stowage status to list the installed releases',
  });
}
