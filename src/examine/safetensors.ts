import { counted } from '../core/text.ts';
import type { Rule } from '../format/finding.ts';
import { type Bytes, RuleBroken } from './bytes.ts';
import { MAX_SAFETENSORS_HEADER } from './content-kind.ts';
import { parseSafetensorsHeader, type TensorInfo } from './safetensors-header.ts';

/** Bits of an element, for every dtype of the format (safetensors 0.7). */
export const safetensorsDtypes: Readonly<Record<string, number>> = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
};

const MAX_U64 = 0xffff_ffff_ffff_ffffn;

/**
 * Checks the header of a safetensors file: the tensors fill the rest of the file without gaps, overlaps or trailing
 * bytes.
 * @returns the bytes of each tensor by name
 * @throws RuleBroken `safetensors-*`
 */
export async function examineSafetensors(
  bytes: Bytes,
  report: (rule: Rule, detail: string) => void,
): Promise<Map<string, number>> {
  const length = await headerLength(bytes);
  const header = await bytes.read(8, length);
  if (header[0] !== 0x7b)
    throw new RuleBroken('safetensors-json', 'the header does not begin with {');
  const tensors = parseSafetensorsHeader(header);
  const unknown = new Set<string>();
  for (const tensor of tensors) checkTensor(tensor, unknown);
  checkOffsets(tensors, BigInt(bytes.size - 8 - length));
  for (const dtype of unknown)
    report('safetensors-dtype', `tensors of unknown type ${JSON.stringify(dtype.slice(0, 40))}`);
  if ((8 + length) % 8 !== 0)
    report('safetensors-alignment', 'the data does not begin at a multiple of 8 bytes');
  return new Map(tensors.map(({ name, begin, end }) => [name, Number(end - begin)]));
}

async function headerLength(bytes: Bytes): Promise<number> {
  const head = await bytes.read(0, 8);
  const length = head.length < 8 ? -1n : head.readBigUInt64LE(0);
  if (length >= 2n && length <= BigInt(MAX_SAFETENSORS_HEADER) && length + 8n <= BigInt(bytes.size))
    return Number(length);
  const said =
    length < 0n ? 'no header' : `a header of ${counted(length, 'byte')} in a file of ${bytes.size}`;
  throw new RuleBroken('safetensors-length', `not a safetensors file: ${said}`);
}

function checkTensor(tensor: TensorInfo, unknown: Set<string>): void {
  const { dtype, shape, begin, end, name } = tensor;
  const shown = JSON.stringify(name.slice(0, 80));
  if (end < begin)
    throw new RuleBroken('safetensors-offsets', `tensor ${shown} ends before it begins`);
  const bits = Object.hasOwn(safetensorsDtypes, dtype) ? safetensorsDtypes[dtype] : undefined;
  let total = BigInt(bits ?? 0);
  for (const dimension of shape) {
    total *= dimension;
    if (total > MAX_U64)
      throw new RuleBroken('safetensors-tensor', `tensor ${shown} has a shape that overflows`);
  }
  if (bits === undefined) unknown.add(dtype);
  else if (total % 8n !== 0n || total / 8n !== end - begin)
    throw new RuleBroken(
      'safetensors-tensor',
      `tensor ${shown} has ${counted(end - begin, 'byte')}, but its shape and type need ${total} bits`,
    );
}

function checkOffsets(tensors: readonly TensorInfo[], size: bigint): void {
  let position = 0n;
  for (const { name, begin, end } of tensors.toSorted(byOffset)) {
    if (begin !== position) {
      const what = begin > position ? 'leaves a gap before it' : 'overlaps another tensor';
      throw new RuleBroken(
        'safetensors-offsets',
        `tensor ${JSON.stringify(name.slice(0, 80))} ${what}`,
      );
    }
    position = end;
  }
  if (position === size) return;
  throw new RuleBroken(
    'safetensors-size',
    `${counted(size, 'byte')} of data, but the tensors need ${position}`,
  );
}

function byOffset(a: TensorInfo, b: TensorInfo): number {
  if (a.begin !== b.begin) return a.begin < b.begin ? -1 : 1;
  return a.end === b.end ? 0 : a.end < b.end ? -1 : 1;
}
