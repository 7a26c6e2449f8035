import { MIB } from '../core/limits.ts';
import type { Rule } from '../format/finding.ts';
import { type Bytes, boundedBytes } from './bytes.ts';
import { ggmlTypes } from './ggml-type.ts';
import { type GgufHead, type GgufTensor, readGgufHead } from './gguf-head.ts';
import { RuleBroken } from './rule-broken.ts';

const MAX_HEAD_BYTES = 128 * MIB;
const DEFAULT_ALIGNMENT = 32;

/**
 * Checks a GGUF file by its head alone: keys and tensors as the format has them, and the tensors one after the other
 * at their alignment, inside the file (ggml docs/gguf.md).
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
        `tensor ${shown} does not begin at a multiple of ${alignment}`,
      );
    if (known && tensor.offset !== position)
      throw new RuleBroken(
        'gguf-offset',
        `tensor ${shown} ${tensor.offset < position ? 'lies over another' : 'leaves a hole before it'}`,
      );
    const size = sizeOf(tensor);
    known = size !== undefined;
    if (size === undefined)
      report('gguf-type', `tensor ${shown} is of the unknown type ${tensor.type}`);
    position = align(tensor.offset + (size ?? 0n), alignment);
    if (start + tensor.offset + (size ?? 0n) > BigInt(bytes.size))
      throw new RuleBroken('gguf-truncated', `tensor ${shown} ends behind the file`);
  }
  if (known && start + position < BigInt(bytes.size))
    report(
      'gguf-trailing',
      `${BigInt(bytes.size) - start - position} bytes lie behind the last tensor`,
    );
  return head;
}

function alignmentOf(head: GgufHead): bigint {
  const value = head.numbers.get('general.alignment') ?? BigInt(DEFAULT_ALIGNMENT);
  if (value >= 8n && value <= 65_536n && (value & (value - 1n)) === 0n) return value;
  throw new RuleBroken(
    'gguf-alignment',
    `general.alignment is ${value}: no power of two from 8 to 65536`,
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
        `tensor ${JSON.stringify(tensor.name)} has a shape that is none`,
      );
  }
  if (type === undefined) return undefined;
  if ((tensor.dimensions[0] ?? 1n) % BigInt(type.elements) !== 0n)
    throw new RuleBroken(
      'gguf-tensor',
      `tensor ${JSON.stringify(tensor.name)} has rows that are no blocks of ${type.name}`,
    );
  return (elements / BigInt(type.elements)) * BigInt(type.bytes);
}

function align(value: bigint, alignment: bigint): bigint {
  return ((value + alignment - 1n) / alignment) * alignment;
}
