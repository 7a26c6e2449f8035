/**
 * libuv accepts one connection in each turn of the event loop. So a turn must be short, or all new clients wait, in the
 * order in which they came. While connections arrive, answers start and continue only now and then, and a few at a time.
 */

/** Connections that are accepted or refused, at most, before answers start or continue. */
const MAX_ARRIVED = 64;
/** Answers that start or continue in one turn. */
const MAX_STARTED = 4;

interface Start {
  /** The lowest number starts first; among equals, the newest. Undefined when the answer is no longer wanted. */
  readonly weight: () => number | undefined;
  readonly go: () => void;
}

const starts = new Set<Start>();
const continued: (() => void)[] = [];
let isScheduled = false;
let hasArrived = false;
/** Turns in a row in which a connection arrived. */
let arrived = 0;

/** Call it for each connection, accepted or refused. */
export function connectionArrived(): void {
  hasArrived = true;
  schedule();
}

/** Starts an answer: at once, unless connections arrive. */
export function startInTurn(start: Start): void {
  if (!isArriving()) {
    start.go();
    return;
  }
  starts.add(start);
  schedule();
}

/** Resolves when a long answer may continue, one of `inProgress`: if they are few, at once, unless connections arrive. */
export function turnToContinue(inProgress: number): Promise<void> {
  if (inProgress <= MAX_STARTED && !isArriving()) return Promise.resolve();
  return new Promise((resolve) => {
    continued.push(resolve);
    schedule();
  });
}

function isArriving(): boolean {
  return hasArrived || arrived > 0;
}

function schedule(): void {
  if (isScheduled) return;
  isScheduled = true;
  setImmediate(turn);
}

function turn(): void {
  isScheduled = false;
  arrived = hasArrived ? (arrived + 1) % MAX_ARRIVED : 0;
  hasArrived = false;
  if (arrived === 0) {
    for (let count = 0; count < MAX_STARTED; count += 1) (lightest()?.go ?? continued.shift())?.();
  }
  if (arrived > 0 || starts.size + continued.length > 0) schedule();
}

function lightest(): Start | undefined {
  let [first, least]: [Start | undefined, number] = [undefined, Number.POSITIVE_INFINITY];
  for (const start of starts) {
    const weight = start.weight();
    if (weight === undefined) starts.delete(start);
    else if (weight <= least) [first, least] = [start, weight];
  }
  if (first !== undefined) starts.delete(first);
  return first;
}
