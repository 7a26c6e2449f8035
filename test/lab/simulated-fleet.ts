import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeCanonical } from '../../src/format/document.ts';
import { momentOf } from '../../src/format/field.ts';
import { keyHandoverKind, type Receipt, receiptKind } from '../../src/format/receipt.ts';
import { issueCertificate, positive } from '../../src/trust/certificate-issue.ts';
import { type Signer, signDetached } from '../../src/trust/cms-sign.ts';
import { generateKey } from '../../src/trust/key.ts';
import { type QuickSigner, quickSigner } from './quick-signer.ts';
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
  /** What the newest receipt shows, whatever the clock said. */
  readonly end: {
    readonly version?: string;
    /** Whether its service does not run. */
    readonly ill: boolean;
    readonly rolledBack: boolean;
  };
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
  /** The share of changes that fail a gate and are undone; none by default. */
  readonly failing?: number;
  /** The share of sites whose service stands still in the end; none by default. */
  readonly ill?: number;
  /** When the last receipts were written. */
  readonly until: Date;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const YEAR_MS = 365 * DAY_MS;
const SITE_KEY_MS = 60 * DAY_MS;
/** Receipts come every two weeks, or more often, so that all of them are of three years. */
const SPACING_MS = 14 * DAY_MS;
const MAX_SPAN_MS = 3 * YEAR_MS;

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
    notAfter: new Date(notBefore.getTime() + 20 * YEAR_MS),
    serial: positive(createHash('sha256').update(name).digest().subarray(0, 16)),
  });
  return { key: privateKey, certificate };
}

/** The sites of a simulated fleet, one at a time: the same seed gives the same histories, with other keys. */
export function* simulateSites(simulation: Simulation): Generator<SimulatedSite> {
  for (let index = 0; index < simulation.sites; index++)
    yield simulateSite(index, simulation, simulatedSigner(index, simulation));
}

/** The name of a site of a simulated fleet. */
export function siteNameOf(index: number): string {
  return `site-${String(index).padStart(5, '0')}`;
}

/** The inverse of {@link siteNameOf}. */
export function indexOfSite(name: string): number {
  return Number(name.slice('site-'.length));
}

/** A key for a site of a simulated fleet. */
export function simulatedSigner(index: number, simulation: Simulation): Signer {
  return siteSignerOf(siteNameOf(index), keyTimeOf(simulation));
}

function spanOf({ receipts }: Simulation): number {
  return Math.min(receipts * SPACING_MS, MAX_SPAN_MS);
}

function startOf(simulation: Simulation): number {
  return simulation.until.getTime() - spanOf(simulation);
}

function keyTimeOf(simulation: Simulation): Date {
  return new Date(startOf(simulation) - SITE_KEY_MS);
}

/** The state of a site that its receipts show. */
interface State {
  readonly entries: number;
  readonly generation: number;
  /** Generations whose numbers failed changes used up. */
  readonly lost: number;
  readonly release: number;
  /** What the digests of its ledger depend on besides their number, by the number from which on it counts. */
  readonly branches: readonly { readonly from: number; readonly name: string }[];
}

/** One site of a simulated fleet, which does not depend on the others. */
export function simulateSite(
  index: number,
  simulation: Simulation,
  original: Signer,
): SimulatedSite {
  const { receipts, until, releases, failing = 0, ill = 0 } = simulation;
  const random = seededRandom(simulation.seed * 1_000_003 + index);
  const name = siteNameOf(index);
  const start = startOf(simulation);
  const spacing = spanOf(simulation) / receipts;
  const fault =
    random() < simulation.faulty
      ? simulatedFaults[Math.floor(random() * simulatedFaults.length)]
      : undefined;
  const isIll = random() < ill && fault === undefined;
  // Late enough that there is something to go back to.
  const at = 4 + Math.floor(random() * Math.max(1, receipts - 7));
  /** How many releases the site is behind. */
  const lag = Math.floor((random() * releases.length) / 5);
  const releaseAt = (clock: number): number =>
    Math.floor(((clock - start) / spanOf(simulation)) * releases.length) - lag;
  let key = original;
  let sign = quickSigner(key);
  let shift = 0;
  let state: State = {
    ...{ entries: 2, generation: 0, lost: 0, release: -1 },
    branches: [{ from: 0, name }],
  };
  const states: State[] = [];
  const documents: SimulatedDocument[] = [];
  let first: SimulatedDocument | undefined;
  let outcome: Receipt['outcome'] = 'kept';
  for (let step = 0; step < receipts; step++) {
    let clock = start + (step + 0.1 + 0.8 * random()) * spacing + shift;
    const latest = releaseAt(clock);
    let intent: Receipt['intent'] = 'install';
    outcome = 'kept';
    const chance = random();
    const isFault = step === at;
    if (isFault && fault === 'restored-backup') {
      const { branches, ...backup } = states[step - 4] ?? state;
      const from = backup.entries + 1;
      state = { ...backup, branches: [...branches, { from, name: `${name} restored` }] };
    }
    if (isFault && fault === 'clock-back') {
      shift = -60 * DAY_MS;
      clock += shift;
    }
    if (isFault && fault === 'lost-disc') state = installed(state, latest, simulation);
    // So that there is a longer ledger to go back from.
    const mustInstall = fault !== undefined && step > at - 4 && step <= at;
    if (step > 0 && chance < 0.3 && !mustInstall) {
      intent = chance < 0.15 ? 'statement' : 'restart';
      if (intent === 'restart') state = { ...state, entries: state.entries + 1 };
    } else if (step > 0 && random() < failing && !mustInstall) {
      outcome = 'rolled-back';
      const lost = state.lost + (random() < 0.5 ? 1 : 0);
      state = { ...state, entries: state.entries + 2, lost };
    } else state = installed(state, latest, simulation);
    states.push(state);
    const stopped = isIll && step === receipts - 1;
    const about = { state, intent, outcome, stopped, simulation };
    if (isFault && fault === 'old-key') {
      const next = siteSignerOf(name, keyTimeOf(simulation));
      documents.push(handover(name, { signer: key, next, at: new Date(clock) }));
      clock += 0.05 * spacing;
      documents.push(written(receiptOf(name, { ...about, clock }), sign, clock));
      key = next;
      sign = quickSigner(key);
      continue;
    }
    // Ahead of the machine that takes it as well, however early it was written.
    const ahead = isFault && fault === 'clock-ahead' ? until.getTime() - clock + 900 * DAY_MS : 0;
    const document = written(receiptOf(name, { ...about, clock: clock + ahead }), sign, clock);
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
  const version = releases[state.release]?.version;
  return {
    ...{ name, signer: original, documents, first },
    ...(fault === undefined ? {} : { fault }),
    end: {
      ...(version === undefined ? {} : { version }),
      ...{ ill: isIll, rolledBack: outcome === 'rolled-back' },
    },
  };
}

function installed(state: State, latest: number, { releases }: Simulation): State {
  return {
    ...state,
    entries: state.entries + 2,
    generation: state.generation + state.lost + 1,
    lost: 0,
    release: Math.min(Math.max(state.release, latest, 0), releases.length - 1),
  };
}

function receiptOf(
  site: string,
  about: {
    readonly state: State;
    readonly clock: number;
    readonly intent: Receipt['intent'];
    readonly outcome: Receipt['outcome'];
    readonly stopped: boolean;
    readonly simulation: Simulation;
  },
): Receipt {
  const { state, clock, intent, outcome, stopped, simulation } = about;
  const { entries, generation, branches } = state;
  const release = simulation.releases[state.release];
  const branch = branches.findLast(({ from }) => from <= entries)?.name ?? site;
  const at = momentOf(new Date(clock));
  const before = simulation.releases[state.release - 1];
  return {
    schema: 'stowage/receipt/v4',
    site,
    at,
    tool: 'stowage 0.1.0',
    intent,
    outcome,
    generation,
    releases: release === undefined ? [] : [{ name: 'chat', ...release }],
    generations: [generation - 1, generation].filter((each) => each > 0),
    held: { blobs: 12, bytes: 5_000_000_000 },
    holds: {
      bundles: [
        ...(release === undefined ? [] : [{ name: 'chat', ...release, use: 'running' as const }]),
        ...(before === undefined ? [] : [{ name: 'chat', ...before, use: 'kept' as const }]),
      ],
      installers: [],
      free: 900_000_000_000,
    },
    health: [
      stopped
        ? { service: 'chat server', state: 'stopped' }
        : { service: 'chat server', state: 'running', since: at, ready: true },
    ],
    host: { platform: 'linux/amd64', kernel: '6.12.0', engine: 'podman 5.6.0', labels: {} },
    gates: outcome === 'kept' ? [] : [FAILED_GATE],
    ledger: {
      number: entries,
      digest: createHash('sha512').update(`${branch} ${entries}`).digest('hex'),
    },
  };
}

const FAILED_GATE: Receipt['gates'][number] = {
  ...{ service: 'server', check: 'acceptance', passed: false, milliseconds: 31_000 },
  ...{ expected: 'an answer that contains "42"', found: 'no answer within 30 s' },
};

function written(receipt: Receipt, sign: QuickSigner, clock: number): SimulatedDocument {
  const bytes = writeCanonical(receiptKind, receipt);
  return { bytes, signature: sign(bytes, new Date(clock)) };
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
