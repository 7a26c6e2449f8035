import type { Refuse } from './der.ts';

/** One block of a PEM file (RFC 7468): its label and the bytes in it. */
export interface PemBlock {
  readonly label: string;
  readonly bytes: Buffer;
}

const BEGIN = /^-----BEGIN ([A-Z0-9 ]{1,40})-----$/;

/** Bytes as a PEM block with a final newline. */
export function encodePem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

/**
 * The blocks of a PEM file, in order. Lines outside of blocks, such as `openssl x509 -text` writes, are ignored; inside,
 * only canonical base64 is accepted.
 * @throws the error that `refuse` makes
 */
export function decodePem(text: string, refuse: Refuse): PemBlock[] {
  const blocks: PemBlock[] = [];
  const lines = text.split(/\r?\n/);
  for (let at = 0; at < lines.length; at += 1) {
    const label = BEGIN.exec(lines[at]?.trimEnd() ?? '')?.[1];
    if (label === undefined) continue;
    const start = at + 1;
    do at += 1;
    while (at < lines.length && lines[at]?.trimEnd() !== `-----END ${label}-----`);
    if (at === lines.length) throw refuse(`a ${label} block without an end`);
    blocks.push({ label, bytes: body(lines.slice(start, at), label, refuse) });
  }
  return blocks;
}

function body(lines: readonly string[], label: string, refuse: Refuse): Buffer {
  const base64 = lines.map((line) => line.trimEnd()).join('');
  const bytes = Buffer.from(base64, 'base64');
  if (base64 !== '' && bytes.toString('base64') === base64) return bytes;
  throw refuse(`a ${label} block that is not base64`);
}
