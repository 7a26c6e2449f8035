import type { Context, StowageEvent } from '../../core/context.ts';
import type { Trust } from '../../format/trust.ts';
import { type Survey, surveyBundle } from '../admission/admit.ts';
import type { Admission } from '../admitted-bundle.ts';
import { onDiscs } from '../discs.ts';
import { examineParts, type PartVerdict } from '../verify.ts';
import { throwWorst } from '../worst-fault.ts';

/** A step that was started. */
export interface RecordedStep {
  readonly name: string;
  readonly outcome: 'passed' | 'failed';
  readonly milliseconds: number;
  /** Bytes read, for steps that report progress in bytes. */
  readonly bytes?: number;
}

/** A verification that passed. */
export type Verified = Required<Pick<VerificationRecord, 'admitted' | 'verdict'>>;

/** How a bundle is verified. */
export interface VerifyOptions extends Context {
  readonly trust: Trust;
  /** Whether parts may be missing; of one disc of several they always may. */
  readonly partial?: boolean;
}

/** What happened in one verification, whether it passed or failed. */
export interface VerificationRecord {
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly steps: readonly RecordedStep[];
  /** Absent when the bundle was rejected before its parts were read. */
  readonly admitted?: Admission;
  /** The result for its parts; absent unless all of them were read. */
  readonly verdict?: PartVerdict;
  /** Why it failed. */
  readonly error?: unknown;
}

/**
 * Verifies a bundle as `stowage verify` does and records what happened. Never throws: see `error`.
 * @param folders of the bundle, or of all or some of its discs
 */
export async function recordVerification(
  folders: readonly string[],
  { trust, emit, partial = false, ...rest }: VerifyOptions,
): Promise<VerificationRecord> {
  const { now } = rest;
  const startedAt = now();
  const recorder = new StepRecorder(now);
  const context = {
    ...rest,
    emit: (event: StowageEvent): void => {
      recorder.observe(event);
      emit(event);
    },
  };
  let admitted: Admission | undefined;
  let verdict: PartVerdict | undefined;
  try {
    const survey = await surveyFolders(folders, { ...context, trust, partial });
    admitted = survey.admission;
    recorder.end(survey.faults.length === 0 ? 'passed' : 'failed');
    verdict = await examineParts(admitted, context);
    recorder.end(verdict.faults.length === 0 ? 'passed' : 'failed');
    requireFaultless(survey, verdict);
    return { startedAt, steps: recorder.end('passed'), endedAt: now(), admitted, verdict };
  } catch (error) {
    const steps = recorder.end('failed');
    const known = { ...(admitted && { admitted }), ...(verdict && { verdict }) };
    return { startedAt, steps, endedAt: now(), error, ...known };
  }
}

/**
 * Verifies a bundle in folders, or some of its discs: reads every file, also after one that is missing, damaged, or not on
 * the list.
 * @throws StowageError as admission; for files, the error with the worst exit status, which lists all of them
 */
export async function verifyFolders(
  folders: readonly string[],
  options: VerifyOptions,
): Promise<Verified> {
  const survey = await surveyFolders(folders, options);
  const verdict = await examineParts(survey.admission, options);
  requireFaultless(survey, verdict);
  return { admitted: survey.admission, verdict };
}

function surveyFolders(folders: readonly string[], options: VerifyOptions): Promise<Survey> {
  return surveyBundle(folders, {
    ...options,
    partial: options.partial === true || onDiscs(folders),
  });
}

function requireFaultless({ faults }: Survey, verdict: PartVerdict): void {
  throwWorst([...faults, ...verdict.faults.map(({ error }) => error)]);
}

/** Derives steps from events: each step ends when the next one starts. */
class StepRecorder {
  readonly #now: () => Date;
  readonly #steps: RecordedStep[] = [];
  #open: { name: string; began: Date; bytes?: number } | undefined;

  constructor(now: () => Date) {
    this.#now = now;
  }

  observe(event: StowageEvent): void {
    if (event.type === 'step') {
      this.end('passed');
      this.#open = { name: event.step, began: this.#now() };
    } else if (event.type === 'progress' && event.unit === 'bytes' && this.#open !== undefined) {
      this.#open.bytes = event.done;
    }
  }

  end(outcome: RecordedStep['outcome']): readonly RecordedStep[] {
    if (this.#open === undefined) return this.#steps;
    const { name, began, bytes } = this.#open;
    const milliseconds = Math.max(0, this.#now().getTime() - began.getTime());
    this.#steps.push({ name, outcome, milliseconds, ...(bytes === undefined ? {} : { bytes }) });
    this.#open = undefined;
    return this.#steps;
  }
}
