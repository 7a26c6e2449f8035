import { MIB } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import type { Rule } from '../format/finding.ts';
import { type Bytes, boundedBytes, RuleBroken } from './bytes.ts';
import { type GgufHead, type GgufTensor, readGgufHead } from './gguf-head.ts';

const MAX_HEAD_BYTES = 128 * MIB;
const DEFAULT_ALIGNMENT = 32;

/**
 * Checks the header of a GGUF file: keys and tensors follow the format, and the tensors lie one after another at their
 * alignment, within the file (ggml docs/gguf.md).
 * @throws RuleBroken `gguf-*`
 */
export async function examineGguf(
  bytes: Bytes,
  report: (rule: Rule, detail: string) => void,
): Promise<GgufHead> {
  const head = await readGgufHead(boundedBytes(bytes, MAX_HEAD_BYTES));
  const alignment = alignmentOf(head);
  const start = align(BigInt(head.end), alignment);
  let position = 0n;
  let known = true;
  for (const tensor of head.tensors) {
    const shown = JSON.stringify(tensor.name);
    if (tensor.offset % alignment !== 0n)
      throw new RuleBroken(
        'gguf-offset',
        `the offset of tensor ${shown} is not a multiple of ${alignment}`,
      );
    if (known && tensor.offset !== position)
      throw new RuleBroken(
        'gguf-offset',
        `tensor ${shown} ${tensor.offset < position ? 'overlaps another tensor' : 'leaves a gap before it'}`,
      );
    const size = sizeOf(tensor);
    known = size !== undefined;
    if (size === undefined) report('gguf-type', `tensor ${shown} has unknown type ${tensor.type}`);
    position = align(tensor.offset + (size ?? 0n), alignment);
    if (start + tensor.offset + (size ?? 0n) > BigInt(bytes.size))
      throw new RuleBroken('gguf-truncated', `tensor ${shown} extends beyond the end of the file`);
  }
  if (known && start + position < BigInt(bytes.size))
    report(
      'gguf-trailing',
      `${counted(BigInt(bytes.size) - start - position, 'byte')} after the last tensor`,
    );
  return head;
}

function alignmentOf(head: GgufHead): bigint {
  const value = head.numbers.get('general.alignment') ?? BigInt(DEFAULT_ALIGNMENT);
  if (value >= 8n && value <= 65_536n && (value & (value - 1n)) === 0n) return value;
  throw new RuleBroken(
    'gguf-alignment',
    `general.alignment is ${value}, which is not a power of two from 8 to 65536`,
  );
}

function sizeOf(tensor: GgufTensor): bigint | undefined {
  const type = ggmlTypes.get(tensor.type);
  let elements = 1n;
  for (const dimension of tensor.dimensions) {
    elements *= dimension;
    if (dimension === 0n || elements > 0x7fff_ffff_ffff_ffffn)
      throw new RuleBroken(
        'gguf-tensor',
        `tensor ${JSON.stringify(tensor.name)} has an invalid shape`,
      );
  }
  if (type === undefined) return undefined;
  if ((tensor.dimensions[0] ?? 1n) % BigInt(type.elements) !== 0n)
    throw new RuleBroken(
      'gguf-tensor',
      `tensor ${JSON.stringify(tensor.name)} has rows that are not a multiple of the block size of ${type.name}`,
    );
  return (elements / BigInt(type.elements)) * BigInt(type.bytes);
}

function align(value: bigint, alignment: bigint): bigint {
  return ((value + alignment - 1n) / alignment) * alignment;
}

/** How a ggml tensor type stores its elements: the number of elements in a block, and the bytes of a block. */
interface GgmlType {
  readonly name: string;
  readonly elements: number;
  readonly bytes: number;
}

/**
 * All current ggml types, by number (ggml.h, ggml-common.h). The numbers 4, 5, 31 to 33 and 36 to 38 were removed, and
 * no server loads them.
 */
export const ggmlTypes: ReadonlyMap<number, GgmlType> = new Map(
  `0 F32 1 4|1 F16 1 2|2 Q4_0 32 18|3 Q4_1 32 20|6 Q5_0 32 22|7 Q5_1 32 24|8 Q8_0 32 34|9 Q8_1 32 36
10 Q2_K 256 84|11 Q3_K 256 110|12 Q4_K 256 144|13 Q5_K 256 176|14 Q6_K 256 210|15 Q8_K 256 292
16 IQ2_XXS 256 66|17 IQ2_XS 256 74|18 IQ3_XXS 256 98|19 IQ1_S 256 50|20 IQ4_NL 32 18|21 IQ3_S 256 110
22 IQ2_S 256 82|23 IQ4_XS 256 136|24 I8 1 1|25 I16 1 2|26 I32 1 4|27 I64 1 8|28 F64 1 8|29 IQ1_M 256 56
30 BF16 1 2|34 TQ1_0 256 54|35 TQ2_0 256 66|39 MXFP4 32 17|40 NVFP4 64 36|41 Q1_0 128 18`
    .split(/[|\n]/)
    .map((entry) => {
      const [id = '', name = '', elements = '', bytes = ''] = entry.split(' ');
      return [Number(id), { name, elements: Number(elements), bytes: Number(bytes) }];
    }),
);
