import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeCanonical } from '../../src/format/document.ts';
import { momentOf } from '../../src/format/field.ts';
import { keyHandoverKind, type Receipt, receiptKind } from '../../src/format/receipt.ts';
import { issueCertificate, positive } from '../../src/trust/certificate-issue.ts';
import { type Signer, signDetached } from '../../src/trust/cms-sign.ts';
import { generateKey } from '../../src/trust/key.ts';
import { seededRandom } from './random.ts';

/** What can be wrong with a site of a simulated fleet. */
export const simulatedFaults = [
  'restored-backup',
  'clock-back',
  'clock-ahead',
  'lost-disc',
  'old-key',
  'damaged',
] as const;
export type SimulatedFault = (typeof simulatedFaults)[number];

/** The alarms that each fault must raise: at least one of them, and no others. */
export const expectedAlarms: Readonly<Record<SimulatedFault, readonly string[]>> = {
  'restored-backup': ['went-back', 'two-histories'],
  'clock-back': ['went-back'],
  'clock-ahead': ['future'],
  'lost-disc': ['gap'],
  'old-key': ['old-key'],
  // It is refused, so nothing of it is recorded.
  damaged: [],
};

export interface SimulatedDocument {
  readonly bytes: Buffer;
  readonly signature: Buffer;
}

export interface SimulatedSite {
  readonly name: string;
  readonly signer: Signer;
  readonly fault?: SimulatedFault;
  /** Receipts and handovers, in the order in which the site wrote them. */
  readonly documents: readonly SimulatedDocument[];
  /** The last of the receipts that are intact. */
  readonly first: SimulatedDocument;
}

export interface Simulation {
  readonly seed: number;
  readonly sites: number;
  readonly receipts: number;
  /** Versions of the one product, with the digests of their bundles. */
  readonly releases: readonly {
    readonly version: string;
    readonly seq: number;
    readonly bundle: string;
  }[];
  /** The share of sites with a fault. */
  readonly faulty: number;
  /** When the last receipts were written. */
  readonly until: Date;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** So many releases of one product, `1.0.0`, `1.1.0` and so on. */
export function simulatedReleases(count: number): Simulation['releases'] {
  return Array.from({ length: count }, (_, index) => ({
    version: `1.${index}.0`,
    seq: index + 1,
    bundle: createHash('sha512').update(`release ${index}`).digest('hex'),
  }));
}

/** A key with the certificate that a site makes for itself. */
export function siteSignerOf(name: string, notBefore: Date): Signer {
  const { privateKey, publicKey } = generateKey();
  const certificate = issueCertificate({
    subject: { commonName: `Stowage site ${name}`, organization: 'Stowage' },
    publicKey,
    key: privateKey,
    authority: false,
    notBefore,
    notAfter: new Date(notBefore.getTime() + 20 * 365 * DAY_MS),
    serial: positive(createHash('sha256').update(name).digest().subarray(0, 16)),
  });
  return { key: privateKey, certificate };
}

/** The sites of a simulated fleet, one at a time: the same seed gives the same histories, with other keys. */
export function* simulateSites(simulation: Simulation): Generator<SimulatedSite> {
  const random = seededRandom(simulation.seed);
  for (let index = 0; index < simulation.sites; index++)
    yield simulateSite(`site-${String(index).padStart(5, '0')}`, simulation, random);
}

/** The state of a site that its receipts show. */
interface State {
  readonly entries: number;
  readonly generation: number;
  readonly release: number;
  /** What the digests of its ledger depend on besides their number, by the number from which on it counts. */
  readonly branches: readonly { readonly from: number; readonly name: string }[];
}

function simulateSite(name: string, simulation: Simulation, random: () => number): SimulatedSite {
  const { receipts, until } = simulation;
  const days = (least: number, most: number): number =>
    (least + random() * (most - least)) * DAY_MS;
  const start = until.getTime() - receipts * 14 * DAY_MS;
  const fault =
    random() < simulation.faulty
      ? simulatedFaults[Math.floor(random() * simulatedFaults.length)]
      : undefined;
  // Late enough that there is something to go back to.
  const at = 4 + Math.floor(random() * Math.max(1, receipts - 7));
  let signer = siteSignerOf(name, new Date(start - 60 * DAY_MS));
  const original = signer;
  let clock = start;
  let state: State = { entries: 2, generation: 0, release: -1, branches: [{ from: 0, name }] };
  const states: State[] = [];
  const documents: SimulatedDocument[] = [];
  let first: SimulatedDocument | undefined;
  for (let step = 0; step < receipts; step++) {
    clock += days(1, 12);
    let intent: Receipt['intent'] = 'install';
    const chance = random();
    const isFault = step === at;
    if (isFault && fault === 'restored-backup') {
      const { branches, ...backup } = states[step - 4] ?? state;
      const from = backup.entries + 1;
      state = { ...backup, branches: [...branches, { from, name: `${name} restored` }] };
    }
    if (isFault && fault === 'clock-back') clock -= 60 * DAY_MS;
    if (isFault && fault === 'lost-disc') state = installed(state, simulation);
    // So that there is a longer ledger to go back from.
    const mustInstall = fault !== undefined && step > at - 4 && step <= at;
    if (step > 0 && chance < 0.3 && !mustInstall) {
      intent = chance < 0.15 ? 'statement' : 'restart';
      if (intent === 'restart') state = { ...state, entries: state.entries + 1 };
    } else state = installed(state, simulation);
    states.push(state);
    // Ahead of the machine that takes it as well, however early it was written.
    const ahead = isFault && fault === 'clock-ahead' ? until.getTime() - clock + 900 * DAY_MS : 0;
    if (isFault && fault === 'old-key') {
      const next = siteSignerOf(name, new Date(start - 60 * DAY_MS));
      documents.push(handover(name, { signer, next, at: new Date(clock) }));
      clock += days(1, 2);
      documents.push(signed(receiptOf(name, { state, clock, intent, simulation }), signer, clock));
      signer = next;
      continue;
    }
    const receipt = receiptOf(name, { state, clock: clock + ahead, intent, simulation });
    const document = signed(receipt, signer, clock);
    if (isFault && fault === 'damaged') {
      const bytes = Buffer.from(document.bytes);
      bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
      // It was sent again.
      documents.push({ ...document, bytes });
    }
    documents.push(document);
    first ??= document;
  }
  if (first === undefined) throw new Error('a simulated site needs a receipt');
  return { name, signer: original, documents, first, ...(fault === undefined ? {} : { fault }) };
}

function installed(state: State, { releases }: Simulation): State {
  return {
    ...state,
    entries: state.entries + 2,
    generation: state.generation + 1,
    release: Math.min(state.release + 1, releases.length - 1),
  };
}

function receiptOf(
  site: string,
  about: {
    readonly state: State;
    readonly clock: number;
    readonly intent: Receipt['intent'];
    readonly simulation: Simulation;
  },
): Receipt {
  const { state, clock, intent, simulation } = about;
  const { entries, generation, branches } = state;
  const release = simulation.releases[state.release];
  const branch = branches.findLast(({ from }) => from <= entries)?.name ?? site;
  const at = momentOf(new Date(clock));
  return {
    schema: 'stowage/receipt/v2',
    site,
    at,
    tool: 'stowage 0.1.0',
    intent,
    outcome: 'kept',
    generation,
    releases: release === undefined ? [] : [{ name: 'chat', ...release }],
    generations: [generation - 1, generation].filter((each) => each > 0),
    held: { blobs: 12, bytes: 5_000_000_000 },
    health: [{ service: 'chat server', state: 'running', since: at, ready: true }],
    host: { platform: 'linux/amd64', kernel: '6.12.0', engine: 'podman 5.6.0', labels: {} },
    gates: [],
    ledger: {
      number: entries,
      digest: createHash('sha512').update(`${branch} ${entries}`).digest('hex'),
    },
  };
}

/** A receipt as a site writes it. */
export function signed(receipt: Receipt, signer: Signer, clock: number): SimulatedDocument {
  const bytes = writeCanonical(receiptKind, receipt);
  return { bytes, signature: signDetached(bytes, signer, new Date(clock)) };
}

/** The handover of a site's key. */
export function handover(
  site: string,
  { signer, next, at }: { readonly signer: Signer; readonly next: Signer; readonly at: Date },
): SimulatedDocument {
  const bytes = writeCanonical(keyHandoverKind, {
    schema: 'stowage/key-handover/v1',
    site,
    at: momentOf(at),
    certificate: next.certificate.der.toString('base64'),
  });
  return { bytes, signature: signDetached(bytes, signer, at) };
}

/** Writes documents as they come home: `N.json` and `N.p7s`, in an order that the numbers decide. */
export function writeDocuments(
  folder: string,
  documents: readonly SimulatedDocument[],
  start = 0,
): string[] {
  mkdirSync(folder, { recursive: true });
  return documents.map(({ bytes, signature }, index) => {
    const stem = join(folder, String(start + index).padStart(7, '0'));
    writeFileSync(`${stem}.json`, bytes);
    writeFileSync(`${stem}.p7s`, signature);
    return `${stem}.json`;
  });
}

/** The same items in an order that only the random numbers decide (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let at = result.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    const [a, b] = [result[at], result[other]];
    if (a !== undefined && b !== undefined) [result[at], result[other]] = [b, a];
  }
  return result;
}
