import { MIB } from '../core/limits.ts';
import type { Rule } from '../format/finding.ts';
import { type Bytes, boundedBytes } from './bytes.ts';
import { ggmlTypes } from './ggml-type.ts';
import { type GgufHead, type GgufTensor, readGgufHead } from './gguf-head.ts';
import { RuleBroken } from './rule-broken.ts';

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
    report('gguf-trailing', `${BigInt(bytes.size) - start - position} bytes after the last tensor`);
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
