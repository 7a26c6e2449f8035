import type { Context, StowageEvent } from '../../core/event.ts';
import type { Trust } from '../../format/trust.ts';
import { admit } from '../admission/admit.ts';
import type { AdmittedBundle } from '../admitted-bundle.ts';
import { onDiscs } from '../discs.ts';
import { examineParts, type PartVerdict, requireFaultless } from '../verify.ts';

/** A step that began. */
export interface WitnessedStep {
  readonly name: string;
  readonly outcome: 'passed' | 'failed';
  readonly milliseconds: number;
  /** As far as it said. */
  readonly bytes?: number;
}

/** What one verification came to, whichever way it ended. */
export interface VerificationRecord {
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly steps: readonly WitnessedStep[];
  /** Absent when it was refused before its parts were read. */
  readonly admitted?: AdmittedBundle;
  /** What its parts came to; absent unless they were all read. */
  readonly verdict?: PartVerdict;
  /** What it failed with. */
  readonly error?: unknown;
}

/**
 * Verifies a bundle, as its commands do, and keeps what happened. Never fails: see `error`.
 * @param folders of the bundle or of its discs, of which some may be elsewhere
 */
export async function witnessVerification(
  folders: readonly string[],
  { trust, emit, ...rest }: Context & { readonly trust: Trust },
): Promise<VerificationRecord> {
  const { now } = rest;
  const startedAt = now();
  const watch = new StepWatch(now);
  const context = {
    ...rest,
    emit: (event: StowageEvent): void => {
      watch.hear(event);
      emit(event);
    },
  };
  let admitted: AdmittedBundle | undefined;
  try {
    admitted = await admit(folders, { ...context, trust, partial: onDiscs(folders) });
    const verdict = await examineParts(admitted, context);
    requireFaultless(verdict.faults);
    return { startedAt, steps: watch.end('passed'), endedAt: now(), admitted, verdict };
  } catch (error) {
    const steps = watch.end('failed');
    return { startedAt, steps, endedAt: now(), error, ...(admitted && { admitted }) };
  }
}

/** A step ends where the next one begins. */
class StepWatch {
  readonly #now: () => Date;
  readonly #steps: WitnessedStep[] = [];
  #open: { name: string; began: Date; bytes?: number } | undefined;

  constructor(now: () => Date) {
    this.#now = now;
  }

  hear(event: StowageEvent): void {
    if (event.type === 'step') {
      this.end('passed');
      this.#open = { name: event.step, began: this.#now() };
    } else if (event.type === 'progress' && event.unit === 'bytes' && this.#open !== undefined) {
      this.#open.bytes = event.done;
    }
  }

  end(outcome: WitnessedStep['outcome']): readonly WitnessedStep[] {
    if (this.#open === undefined) return this.#steps;
    const { name, began, bytes } = this.#open;
    const milliseconds = Math.max(0, this.#now().getTime() - began.getTime());
    this.#steps.push({ name, outcome, milliseconds, ...(bytes === undefined ? {} : { bytes }) });
    this.#open = undefined;
    return this.#steps;
  }
}
