import type { StowageError } from '../../core/error.ts';
import type { CommandResult } from '../command.ts';
import { errorJson } from '../render.ts';

/** What is wrong with a ledger, as one line. */
export function faultInWords({ message, expected = '', found = '' }: StowageError): string {
  return `${message}: expected ${expected}, found ${found}`;
}

/** A result that was read from a ledger, with what is wrong with it: its exit status is then that of the fault. */
export function withLedgerFault(
  { json, text }: CommandResult,
  fault: StowageError | undefined,
): CommandResult {
  if (fault === undefined) return { json, text };
  return {
    json: { ...(json as object), ...errorJson(fault) },
    text: `${text}LEDGER DAMAGED: ${faultInWords(fault)}\n  only the entries before the damage are used\n  ${fault.hint}\n`,
    exitStatus: fault.exitStatus,
  };
}
