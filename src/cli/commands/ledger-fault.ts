import type { StowageError } from '../../core/error.ts';
import { counted } from '../../core/text.ts';
import type { LedgerDamage } from '../../site/ledger/site-ledger.ts';
import type { CommandResult } from '../command.ts';
import { errorJson } from '../render.ts';

/** What is wrong with a ledger, as one line. */
export function faultInWords({ message, expected = '', found = '' }: StowageError): string {
  return `${message}: expected ${expected}, found ${found}`;
}

/** A result that was read from a ledger, with what is wrong with it: its exit status is then that of the fault. */
export function withLedgerFault(
  { json, text }: CommandResult,
  damage: LedgerDamage | undefined,
): CommandResult {
  if (damage === undefined) return { json, text };
  const { fault, confirmed } = damage;
  const sure =
    confirmed === 0
      ? 'no receipt confirms any entry: all may be forged'
      : `a receipt confirms the first ${counted(confirmed, 'entry', 'entries')}; later ones may be forged`;
  return {
    json: { ...(json as object), confirmed, ...errorJson(fault) },
    text: `${text}LEDGER DAMAGED: ${faultInWords(fault)}\n  ${sure}\n  ${fault.hint}\n`,
    exitStatus: fault.exitStatus,
  };
}
