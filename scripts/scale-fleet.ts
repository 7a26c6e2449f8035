// npm run scale:fleet [-- SITES [RECEIPTS]]: a simulated fleet of so many sites, with planted faults, taken in and asked. Prints the time,
// the processor time and the memory of each question, and fails if an alarm is missing or was not planted. 100 sites with 20 receipts by default.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ChangeOptions, changeFleet } from '../src/fleet/change.ts';
import { checkFleet } from '../src/fleet/check.ts';
import { FleetFolder } from '../src/fleet/fleet-folder.ts';
import { withIndex } from '../src/fleet/index/fleet-index.ts';
import { initFleet } from '../src/fleet/init.ts';
import { nextForSites } from '../src/fleet/next.ts';
import { signedFact } from '../src/fleet/record-fact.ts';
import { receiptsOf } from '../src/fleet/site-report.ts';
import { siteNamed } from '../src/fleet/sites.ts';
import { fleetStatus } from '../src/fleet/status.ts';
import { takeDocuments } from '../src/fleet/take.ts';
import { writeCanonical } from '../src/format/document.ts';
import { type FleetSite, fleetSiteKind } from '../src/format/fleet.ts';
import { throwawayAuthority } from '../src/trust/certificate-issue.ts';
import { trustFromRoot } from '../src/trust/trust-root.ts';
import {
  expectedAlarms,
  type SimulatedFault,
  simulatedReleases,
  simulateSites,
  writeDocuments,
} from '../test/lab/simulated-fleet.ts';

const UNTIL = new Date('2026-11-21T10:00:00Z');
const SITES_AT_ONCE = 500;
const program = fileURLToPath(import.meta.url);
const context: ChangeOptions = {
  signal: new AbortController().signal,
  emit: () => {},
  now: () => UNTIL,
  by: { uid: 1000 },
};

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`;

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  const memory = process.resourceUsage().maxRSS / 1024;
  console.log(
    `${what.padEnd(28)} ${seconds(performance.now() - start).padStart(9)}  ${seconds((user + system) / 1000).padStart(9)} of processor  up to ${memory.toFixed(0)} MiB`,
  );
  return result;
}

/** Creates the fleet. @returns the planted fault of each site that has one */
async function fill(
  root: string,
  sites: number,
  receipts: number,
): Promise<Map<string, SimulatedFault>> {
  const serials = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)] as const;
  const { root: top, release } = throwawayAuthority('Works', new Date('2026-01-01'), [...serials]);
  const trust = trustFromRoot(top.certificate, new Date('2026-01-01'));
  const home = join(root, 'home');
  const folder = await initFleet({
    ...{ root: join(root, 'fleet'), name: 'works', trust },
    ...{ by: context.by, now: UNTIL },
  });
  const planted = new Map<string, SimulatedFault>();
  let batch: FleetSite[] = [];
  let written = 0;
  const flush = (): Promise<void> =>
    changeFleet(folder, context, async (fleet) => {
      const documents = await folder.trust(UNTIL);
      await fleet.add({
        ...{ action: 'site', subject: `${batch.length} sites` },
        files: batch.flatMap((site) =>
          signedFact({
            path: `sites/${site.name}/1.json`,
            bytes: writeCanonical(fleetSiteKind, site),
            by: { name: 'release', signer: release },
            ...{ now: UNTIL, trust: documents },
          }),
        ),
      });
      batch = [];
    });
  const simulation = {
    ...{ seed: 1, sites, receipts, faulty: 0.1, until: UNTIL },
    releases: simulatedReleases(200),
  };
  for (const { name, signer, documents, fault } of simulateSites(simulation)) {
    batch.push({
      schema: 'stowage/fleet-site/v1',
      ...{ name, number: 1, at: '2026-01-01T00:00:00Z', labels: {}, channels: ['stable'] },
      certificate: signer.certificate.der.toString('base64'),
    });
    if (fault !== undefined) planted.set(name, fault);
    writeDocuments(join(home, String(Math.floor(written / 50_000))), documents, written);
    written += documents.length;
    if (batch.length >= SITES_AT_ONCE) await flush();
  }
  if (batch.length > 0) await flush();
  console.log(`${sites} sites, ${written} documents, ${planted.size} sites with a fault`);
  const result = await timed('take', () => takeDocuments(folder, [home], context));
  const alarms = Map.groupBy(result.alarms, ({ site }) => site);
  for (const name of new Set([...planted.keys(), ...alarms.keys()])) {
    const fault = planted.get(name);
    const expected = fault === undefined ? [] : expectedAlarms[fault];
    const found = (alarms.get(name) ?? []).map(({ kind }) => kind);
    if (found.some((kind) => !expected.includes(kind)) || expected.length > 0 !== found.length > 0)
      throw new Error(
        `${name}: planted ${fault ?? 'nothing'}, raised ${found.join(', ') || 'nothing'}`,
      );
  }
  return planted;
}

/** Asks in a process of its own, so that its memory is that of the question. */
async function ask(root: string, question: string): Promise<void> {
  const folder = new FleetFolder(join(root, 'fleet'));
  const settings = await folder.settings();
  const site = 'site-00003';
  const answers: Readonly<Record<string, () => Promise<unknown>>> = {
    check: () => checkFleet(folder, context),
    status: () =>
      withIndex(folder, context, async ({ database }) =>
        fleetStatus(database, { settings, now: UNTIL }),
      ),
    show: () =>
      withIndex(folder, context, async ({ database }) => [
        fleetStatus(database, { settings, now: UNTIL, filter: { site } }),
        receiptsOf(database, site, 20),
      ]),
    next: () =>
      withIndex(folder, context, async (fleet) =>
        nextForSites(fleet, [siteNamed(fleet.database, site)], UNTIL),
      ),
  };
  await timed(question, answers[question] ?? (() => Promise.reject(new Error(question))));
}

const [first = '100', second = '20', question] = process.argv.slice(2);
if (question !== undefined) await ask(first, question);
else {
  const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const root = mkdtempSync(join(process.env['STOWAGE_SCALE_FOLDER'] ?? base, 'stowage-scale-'));
  try {
    await fill(root, Number(first), Number(second));
    for (const each of ['check', 'status', 'show', 'next']) {
      const { status } = spawnSync(
        process.execPath,
        [...process.execArgv, program, root, '-', each],
        {
          stdio: 'inherit',
        },
      );
      if (status !== 0) throw new Error(`${each} failed`);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
