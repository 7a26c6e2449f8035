import { basename, join } from 'node:path';
import { readChain, trustFileName, trustFileVersion } from '../bundle/admission/trust-files.ts';
import { StowageError } from '../core/error.ts';
import { MAX_TRUST_BYTES } from '../core/limits.ts';
import type { Dispatch } from '../format/dispatch.ts';
import { type Fleet, fleetKind } from '../format/fleet.ts';
import { readTrustDocument, type Trust } from '../format/trust.ts';
import { readYaml } from '../format/yaml-document.ts';
import { exists, namesIn, readBounded } from '../io/file.ts';
import { makeFolder } from '../io/folder.ts';
import { withLock } from '../io/lock-file.ts';
import { type TrustLink, walkTrust } from '../trust/trust-chain.ts';

/** What a fleet keeps on this machine alone: the index, the lock and what a command is about to record. Not for git. */
export const OWN_FOLDER = '.stowage';

/** The folder of a fleet: documents that git can merge, one file for each fact. */
export class FleetFolder {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  path(...parts: readonly string[]): string {
    return join(this.root, ...parts);
  }

  /** @throws StowageError `document-invalid` */
  async settings(): Promise<Fleet> {
    const file = this.path('fleet.yaml');
    return readYaml(fleetKind, await readBounded(file, fleetKind.maxBytes), 'fleet.yaml');
  }

  /**
   * The trust documents of the fleet, oldest first: the one that a person confirmed, and each later one that the one before it
   * verifies.
   * @throws StowageError `fleet-damaged` if there is none; `trust-conflict` and those of signatures for a chain that does not hold
   */
  async trust(now: Date): Promise<[Trust, ...Trust[]]> {
    const versions = (await namesIn(this.path('trust')))
      .flatMap((name) => trustFileVersion(name) ?? [])
      .toSorted((a, b) => a - b);
    const [first] = versions;
    if (first === undefined)
      throw damagedFleet('this fleet has no trust document', {
        expected: 'trust/VERSION.trust.json',
        found: 'none',
      });
    const bytes = await readBounded(this.path(trustPath(first)), MAX_TRUST_BYTES);
    const documents: [Trust, ...Trust[]] = [readTrustDocument(bytes)];
    const range = { above: first, upTo: Number.MAX_SAFE_INTEGER };
    for (const link of await readChain(this.path('trust'), range))
      documents.push(follow(documents.at(-1) ?? documents[0], link, now));
    return documents;
  }

  /**
   * Runs `work` while no other command changes the fleet.
   * @throws StowageError `fleet-locked`
   */
  async locked<T>(work: () => Promise<T>): Promise<T> {
    await makeFolder(this.path(OWN_FOLDER));
    try {
      return await withLock(this.path(OWN_FOLDER, 'lock'), work);
    } catch (error) {
      if (!(error instanceof StowageError) || error.code !== 'site-locked') throw error;
      throw new StowageError('fleet-locked', 'another stowage command is changing this fleet', {
        expected: 'no other command',
        found: error.found ?? 'another process',
        hint: 'wait until it ends, and run the same command again',
        cause: error,
      });
    }
  }
}

/** Where a trust document is in the folder of a fleet. */
export function trustPath(version: number): string {
  return `trust/${trustFileName(version)}`;
}

/** The next trust document of a fleet. One that expired meanwhile still says who signed what. */
function follow(trust: Trust, link: TrustLink, now: Date): Trust {
  const { expiresAt } = readTrustDocument(link.bytes);
  const expired = expiresAt !== undefined && now >= new Date(expiresAt);
  return walkTrust(trust, [link], expired ? new Date(Date.parse(expiresAt) - 1) : now);
}

/** @throws StowageError `fleet-absent` */
export async function openFleetFolder(root: string): Promise<FleetFolder> {
  const folder = new FleetFolder(root);
  if (await exists(folder.path('fleet.yaml'))) return folder;
  throw new StowageError('fleet-absent', `there is no fleet at ${root}`, {
    expected: 'a folder with fleet.yaml',
    found: (await exists(root)) ? 'a folder without it' : 'nothing',
    hint: 'run the command in the folder of the fleet, or give it with --fleet; stowage fleet init creates one',
  });
}

/** A `fleet-damaged` error. */
export function damagedFleet(
  message: string,
  details: { readonly expected: string; readonly found: string; readonly cause?: unknown },
): StowageError {
  return new StowageError('fleet-damaged', message, {
    ...details,
    hint: 'restore the file from version control; stowage fleet check lists every document that is not as it was recorded',
  });
}

/** Where the control files of a bundle are in the folder of a fleet. @param bundle SHA-512 of `SHA512SUMS` */
export function releaseFolder(bundle: string): string {
  return `releases/${bundle.slice(0, 32)}`;
}

/** Where the SBOM of a bundle is in the folder of a fleet. @param bundle as for {@link releaseFolder} */
export function releaseBill(bundle: string): string {
  return `${releaseFolder(bundle)}/sbom.cdx.json`;
}

/** Where the rehearsal of a bundle, and its signature, are in the folder of a fleet. @param path in the bundle */
export function releaseRehearsal(bundle: string, path: string): string {
  return `${releaseFolder(bundle)}/${basename(path)}`;
}

/** Where a dispatch is in the folder of a fleet. */
export function dispatchPath({ site, number }: Pick<Dispatch, 'site' | 'number'>): string {
  return `dispatches/${site}/${number}.json`;
}
