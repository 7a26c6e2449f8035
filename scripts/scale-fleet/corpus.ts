import { spawn } from 'node:child_process';
import { createHash, createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ChangeOptions, changeFleet } from '../../src/fleet/change.ts';
import { FleetFolder } from '../../src/fleet/fleet-folder.ts';
import { initFleet } from '../../src/fleet/init.ts';
import { recallRelease } from '../../src/fleet/promote.ts';
import { addRelease, type FactSigner, signedFact } from '../../src/fleet/record-fact.ts';
import { writeCanonical } from '../../src/format/document.ts';
import { type FleetSite, fleetSiteKind } from '../../src/format/fleet.ts';
import { parseCertificate } from '../../src/trust/certificate.ts';
import type { Signer } from '../../src/trust/cms-sign.ts';
import {
  indexOfSite,
  type SimulatedSite,
  type Simulation,
  simulatedSigner,
  simulateSite,
  siteNameOf,
  writeDocuments,
} from '../../test/lab/simulated-fleet.ts';
import { makeAuthority, smallBundle } from '../../test/support/small-bundle.ts';

/** Raised when what is generated changes. */
const VERSION = 1;
const RELEASES = 200;
const SITES_AT_ONCE = 500;
/** The recalled versions of the simulated fleet. */
export const RECALLED: readonly string[] = Array.from({ length: 12 }, (_, at) => `1.${170 + at}.0`);

/** What was planted in one site. */
export interface Planted extends Pick<SimulatedSite, 'name' | 'fault' | 'end'> {
  readonly documents: number;
}

/** A simulated fleet on disk: a fleet without receipts, and the receipts as they come home. */
export interface Corpus {
  /** To be copied. */
  readonly fleet: string;
  readonly home: string;
  readonly sites: number;
}

interface Description {
  readonly simulation: Omit<Simulation, 'until'> & { readonly until: string };
  /** The private key and the certificate of each site, in base64. */
  readonly keys: readonly (readonly [key: string, certificate: string])[];
}

/**
 * A corpus of so many sites and receipts, generated once in as many processes as there are cores; one that was interrupted
 * goes on where it stopped.
 */
export async function fleetCorpus(
  cache: string,
  { sites, receipts, options }: { sites: number; receipts: number; options: ChangeOptions },
): Promise<Corpus> {
  const id = createHash('sha256')
    .update(JSON.stringify([VERSION, sites, receipts]))
    .digest('hex');
  const place = join(cache, `simulated-fleet-${sites}-${receipts}-${id.slice(0, 8)}`);
  if (!existsSync(join(place, 'fleet'))) await describe(place, { sites, receipts, options });
  if (!existsSync(join(place, 'complete'))) {
    const shares = availableParallelism();
    const generating = Array.from({ length: shares }, async (_, share) => {
      const args = [fileURLToPath(import.meta.url), place, String(share), String(shares)];
      const [status] = await once(spawn(process.execPath, args, { stdio: 'inherit' }), 'exit');
      if (status !== 0) throw new Error('the corpus could not be generated');
    });
    await Promise.all(generating);
    writeFileSync(join(place, 'complete'), '');
  }
  return { fleet: join(place, 'fleet'), home: join(place, 'home'), sites };
}

/** What was planted, site by site. */
export function* plantedIn({ home, sites }: Corpus): Generator<Planted> {
  for (let index = 0; index < sites; index++)
    yield JSON.parse(readFileSync(join(folderOf(home, index), 'planted.txt'), 'utf8')) as Planted;
}

/** The documents of a site, in the order in which it wrote them. */
export function* documentsOf({ home }: Corpus, site: string): Generator<string> {
  const folder = folderOf(home, indexOfSite(site));
  for (const name of readdirSync(folder).toSorted())
    if (name.endsWith('.json')) yield join(folder, name);
}

interface FleetWithReleases {
  readonly fleet: string;
  readonly by: FactSigner;
  readonly releases: Simulation['releases'];
}

/** A fleet without sites that knows every release, made once for all corpora. */
async function fleetWithReleases(
  place: string,
  options: ChangeOptions,
): Promise<FleetWithReleases> {
  const description = join(place, 'releases.json');
  if (!existsSync(description)) await makeReleases(place, description, options);
  const { key, certificate, releases } = JSON.parse(readFileSync(description, 'utf8')) as {
    readonly key: string;
    readonly certificate: string;
    readonly releases: Simulation['releases'];
  };
  const by = { name: 'release', signer: signerOf(key, certificate) };
  return { fleet: join(place, 'fleet'), by, releases };
}

async function makeReleases(
  place: string,
  description: string,
  options: ChangeOptions,
): Promise<void> {
  rmSync(place, { recursive: true, force: true });
  const authority = makeAuthority();
  const folder = await initFleet({
    ...{ root: join(place, 'fleet'), name: 'works', trust: authority.trust },
    ...{ by: options.by, now: options.now() },
  });
  const releases: Simulation['releases'][number][] = [];
  for (let index = 0; index < RELEASES; index++) {
    const made = join(place, 'bundle');
    const seq = index + 1;
    const version = `1.${index}.0`;
    const bundle = await smallBundle({ place: made, authority, version, seq });
    await addRelease(folder, bundle.folder, options);
    releases.push({ version, seq, bundle: bundle.id });
    rmSync(made, { recursive: true });
  }
  rmSync(folder.path('.stowage'), { recursive: true });
  const { key, certificate } = encodedSigner(authority.signer);
  writeFileSync(description, JSON.stringify({ key, certificate, releases }), { mode: 0o600 });
}

/** The private key and the certificate in base64. */
function encodedSigner({ key, certificate }: Signer): { key: string; certificate: string } {
  return {
    key: key.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
    certificate: certificate.der.toString('base64'),
  };
}

function signerOf(key: string, certificate: string): Signer {
  return {
    key: createPrivateKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'pkcs8' }),
    certificate: parseCertificate(Buffer.from(certificate, 'base64')),
  };
}

/** A fleet with sites, releases and recalls, and the keys of its sites. */
async function describe(
  place: string,
  { sites, receipts, options }: { sites: number; receipts: number; options: ChangeOptions },
): Promise<void> {
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  const base = await fleetWithReleases(join(place, '..', `simulated-releases-${VERSION}`), options);
  const root = join(place, 'fleet.new');
  cpSync(base.fleet, root, { recursive: true });
  const { by, releases } = base;
  const now = options.now();
  const folder = new FleetFolder(root);
  const simulation: Simulation = {
    ...{ seed: 1, sites, receipts, releases, until: now },
    ...{ faulty: 0.1, failing: 0.05, ill: 0.05 },
  };
  const keys: [string, string][] = [];
  await changeFleet(folder, options, async (fleet) => {
    const trust = await folder.trust(now);
    for (let start = 0; start < sites; start += SITES_AT_ONCE) {
      const names = Array.from(
        { length: Math.min(SITES_AT_ONCE, sites - start) },
        (_, at) => start + at,
      );
      await fleet.add({
        ...{ action: 'site', subject: `${names.length} sites` },
        files: names.flatMap((index) => {
          const { key, certificate } = encodedSigner(simulatedSigner(index, simulation));
          keys.push([key, certificate]);
          const site: FleetSite = {
            schema: 'stowage/fleet-site/v1',
            ...{ name: siteNameOf(index), number: 1, at: '2026-01-01T00:00:00Z' },
            ...{ labels: {}, channels: ['stable'], certificate },
          };
          const path = `sites/${site.name}/1.json`;
          return signedFact({ path, bytes: writeCanonical(fleetSiteKind, site), by, now, trust });
        }),
      });
    }
    for (const version of RECALLED)
      await recallRelease(
        fleet,
        { release: 'chat', versions: version, reason: 'leaks memory', strategy: 'forward' },
        { by, now },
      );
  });
  const description: Description = {
    simulation: { ...simulation, until: now.toISOString() },
    keys,
  };
  writeFileSync(join(place, 'description.json'), JSON.stringify(description), { mode: 0o600 });
  rmSync(folder.path('.stowage'), { recursive: true });
  renameSync(root, join(place, 'fleet'));
}

/** The receipts of every site of one share that are not there yet. */
function generate(place: string, share: number, shares: number): void {
  const text = readFileSync(join(place, 'description.json'), 'utf8');
  const { simulation, keys } = JSON.parse(text) as Description;
  const until = new Date(simulation.until);
  for (const [index, [key, certificate]] of keys.entries()) {
    const folder = folderOf(join(place, 'home'), index);
    if (index % shares !== share || existsSync(folder)) continue;
    const signer = signerOf(key, certificate);
    const site = simulateSite(index, { ...simulation, until }, signer);
    const unfinished = `${folder}.new`;
    rmSync(unfinished, { recursive: true, force: true });
    writeDocuments(unfinished, site.documents);
    const { name, fault, end, documents } = site;
    const planted: Planted = {
      ...{ name, end, documents: documents.length },
      ...(fault === undefined ? {} : { fault }),
    };
    writeFileSync(join(unfinished, 'planted.txt'), JSON.stringify(planted));
    renameSync(unfinished, folder);
  }
}

/** Where the receipts of a site are; not more than a thousand folders in one. */
function folderOf(home: string, index: number): string {
  return join(home, String(Math.floor(index / 1000)), siteNameOf(index));
}

if (import.meta.main) {
  const [place = '', share, shares] = process.argv.slice(2);
  generate(place, Number(share), Number(shares));
}
