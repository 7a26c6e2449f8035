import { StowageError } from '../core/error.ts';

const MAX_DEFECTS = 50;

/**
 * Throws one error for several faults: that with the worst exit status, which lists all of them.
 * @throws StowageError of the first fault with that status; nothing if there is no fault
 */
export function throwWorst(faults: readonly StowageError[]): void {
  const worstFirst = faults.toSorted((a, b) => b.exitStatus - a.exitStatus);
  const [first] = worstFirst;
  if (first === undefined) return;
  if (worstFirst.length === 1) throw first;
  const { code, message, expected, found, hint } = first;
  const defects = worstFirst.flatMap((each) =>
    each.defects.length > 0 ? each.defects : [`${each.message}: ${each.found ?? ''}`],
  );
  throw new StowageError(code, `${message}, and ${defects.length - 1} more`, {
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
    hint,
    defects: defects.slice(0, MAX_DEFECTS),
    cause: first,
  });
}
