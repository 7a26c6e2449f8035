import { MIB } from '../core/limits.ts';
import type { Bytes } from './bytes.ts';
import type { Report } from './examine-content.ts';

const SPAN_BYTES = MIB;
const OVERLAP_BYTES = 4096;
// A StringStringEntryProto: field 1 is the key `location`, field 2 the value with its length.
const LOCATION = Buffer.from('\x0a\x08location\x12', 'latin1');

/**
 * Tensors of an ONNX model may be in other files: a path outside the model's folder is refused (onnx.proto,
 * TensorProto.external_data; CVE-2022-25882).
 */
export async function examineOnnx(bytes: Bytes, report: Report): Promise<void> {
  for (let offset = 0; offset < bytes.size; offset += SPAN_BYTES) {
    const span = await bytes.read(offset, SPAN_BYTES + OVERLAP_BYTES);
    for (let at = span.indexOf(LOCATION); at >= 0; at = span.indexOf(LOCATION, at + 1)) {
      const start = at + LOCATION.length;
      const length = span[start] ?? 0;
      const path = span.toString(
        'utf8',
        start + (length < 0x80 ? 1 : 2),
        start + 1 + Math.min(length, 0x7f),
      );
      if (!/^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)/.test(path)) continue;
      report('onnx-path', `the path of a tensor is ${JSON.stringify(path.slice(0, 200))}`);
      return;
    }
  }
}
