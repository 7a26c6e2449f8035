import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type BelieveOptions,
  believeReceipt,
  recordUsed,
} from '../../../src/bundle/increment/believed-receipts.ts';
import { writeCanonical } from '../../../src/format/document.ts';
import { type Receipt, receiptKind } from '../../../src/format/receipt.ts';
import { signDetached } from '../../../src/trust/cms-sign.ts';
import { receiptWithHoldings } from '../../format/samples.ts';
import { expectCode } from '../../support/error.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { makeAuthority } from '../../support/small-bundle.ts';

const scratch = scratchFolder();
const { signer } = makeAuthority('Site');
const now = new Date('2026-11-21T12:00:00Z');

/** Writes a receipt with these changes. @returns its file */
function receipt(changes: Partial<Receipt> = {}): string {
  const file = `${scratch.fresh('receipt')}.json`;
  const bytes = writeCanonical(receiptKind, { ...receiptWithHoldings(), ...changes } as Receipt);
  writeFileSync(file, bytes);
  writeFileSync(file.replace(/json$/, 'p7s'), signDetached(bytes, signer, now));
  return file;
}

function options(
  used: string,
  fingerprints: readonly string[] = [signer.certificate.fingerprint],
): BelieveOptions {
  return { fingerprints, maxAgeDays: 30, used, now };
}

describe('when a receipt decides what travels', () => {
  it.each([
    ['2026-11-21T12:00:00Z', true],
    ['2026-10-22T12:00:00Z', true],
    ['2026-10-22T11:59:59Z', false],
    ['2026-11-22T12:00:00Z', true],
    ['2026-11-22T12:00:01Z', false],
  ])('written at %s: believed %s', async (at, taken) => {
    const believed = (): Promise<unknown> =>
      believeReceipt(receipt({ at }), options(scratch.fresh()));
    if (taken) await expect(believed()).resolves.toMatchObject({ receipt: { at } });
    else await expectCode(believed, 'receipt-refused');
  });

  it.each<[string, Partial<Receipt>, boolean]>([
    ['the same one', {}, true],
    ['a later ledger', { ledger: { number: 8, digest: 'a'.repeat(128) } }, true],
    ['a later statement', { at: '2026-11-21T10:00:01Z' }, true],
    ['an earlier ledger (replay)', { ledger: { number: 6, digest: 'a'.repeat(128) } }, false],
    [
      'an earlier ledger with a later time',
      { at: '2026-11-21T11:00:00Z', ledger: { number: 6, digest: 'a'.repeat(128) } },
      false,
    ],
    ['an earlier statement (replay)', { at: '2026-11-21T09:59:59Z' }, false],
    ['another ledger (fork)', { ledger: { number: 7, digest: 'a'.repeat(128) } }, false],
  ])('after one that was used, believes %s: %#', async (_, changes, taken) => {
    const used = scratch.fresh('used');
    await recordUsed(await believeReceipt(receipt(), options(used)), used);
    // The key is known from now on.
    const believed = (): Promise<unknown> => believeReceipt(receipt(changes), options(used, []));
    if (taken) await expect(believed()).resolves.toMatchObject({ receipt: changes });
    else await expectCode(believed, 'receipt-refused');
  });

  it('asks for the signature that did not travel with it', async () => {
    const file = receipt();
    rmSync(file.replace(/json$/, 'p7s'));
    const error = await expectCode(
      () => believeReceipt(file, options(scratch.fresh())),
      'file-missing',
    );
    expect(error.message).toBe(`${file} has no signature beside it`);
    expect(error.hint).toContain('.p7s from where');
  });

  it('records one whose name has no .json with its signature', async () => {
    const used = scratch.fresh('used');
    const file = receipt();
    const plain = file.replace(/\.json$/, '');
    renameSync(file, plain);
    await recordUsed(await believeReceipt(plain, options(used)), used);
    await expect(believeReceipt(plain, options(used, []))).resolves.toBeDefined();
  });

  it('records nothing before it is told to', async () => {
    const used = scratch.fresh('used');
    await believeReceipt(receipt(), options(used));
    expect(existsSync(used)).toBe(false);
  });

  it('asks for the fingerprint again if the record was changed', async () => {
    const used = scratch.fresh('used');
    const file = receipt();
    await recordUsed(await believeReceipt(file, options(used)), used);
    flipBit(`${used}/${signer.certificate.fingerprint}.json`, 40);
    const error = await expectCode(
      () => believeReceipt(file, options(used, [])),
      'signer-untrusted',
    );
    expect(error.found).toContain(signer.certificate.fingerprint);
    const other = await expectCode(
      () => believeReceipt(file, options(used, ['a'.repeat(64)])),
      'signer-untrusted',
    );
    expect(other).toMatchObject({
      message: expect.stringContaining('another key than --fingerprint names'),
      expected: `SHA-256 ${'a'.repeat(64)}`,
      hint: expect.stringContaining('do not use the receipt'),
    });
    await expect(believeReceipt(file, options(used))).resolves.toBeDefined();
  });
});
