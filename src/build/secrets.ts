import { open } from 'node:fs/promises';
import { StowageError } from '../core/error.ts';
import { READ_BUFFER_BYTES } from '../core/limits.ts';
import { ioError } from '../io/file.ts';

/** What must not cross: text that opens something for who holds it. */
const SECRETS: readonly (readonly [string, RegExp])[] = [
  ['a private key', /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\r?\n[A-Za-z0-9+/=\r\n]{64}/],
  ['a Hugging Face token', /\bhf_[A-Za-z0-9]{34,}\b/],
  ['a GitHub token', /\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})\b/],
  ['an NGC key', /\bnvapi-[A-Za-z0-9_-]{60,}\b/],
  ['an AWS access key', /\b(?:AKIA|ASIA)[A-Z2-7]{16}\b/],
];

/** Longer than any of them up to where it is certain: what lies across two reads is seen whole in one. */
const OVERLAP_BYTES = 512;

/**
 * Refuses a stored file that holds a private key or a token.
 * @param label what the file is, for the message; the secret itself is never shown
 * @throws StowageError `content-refused`, `io-failed`
 */
export async function refuseSecrets(path: string, label: string): Promise<void> {
  try {
    const handle = await open(path);
    try {
      const buffer = Buffer.alloc(OVERLAP_BYTES + READ_BUFFER_BYTES);
      let kept = 0;
      for (let offset = 0; ; ) {
        const { bytesRead } = await handle.read(buffer, kept, READ_BUFFER_BYTES, offset);
        if (bytesRead === 0) return;
        const window = buffer.subarray(0, kept + bytesRead);
        const found = secretIn(window);
        if (found !== undefined) throw refused(label, found);
        kept = Math.min(OVERLAP_BYTES, window.length);
        window.copy(buffer, 0, window.length - kept);
        offset += bytesRead;
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw ioError(error, path);
  }
}

/** What kind of secret bytes hold, or undefined. */
export function secretIn(bytes: Buffer): string | undefined {
  const text = bytes.toString('latin1');
  return SECRETS.find(([, pattern]) => pattern.test(text))?.[0];
}

function refused(label: string, kind: string): StowageError {
  return new StowageError('content-refused', `${label} holds ${kind}`, {
    expected: 'nothing that opens something for who holds the bundle',
    found: kind,
    hint: 'take it out of what is packed, and consider it known: make a new one',
  });
}
