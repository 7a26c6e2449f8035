import { MIB } from '../core/limits.ts';
import type { Rule } from '../format/finding.ts';
import type { Bytes } from './bytes.ts';

type SecretRule = Extract<Rule, `secret-${string}`>;

interface Shape {
  readonly rule: SecretRule;
  readonly pattern: RegExp;
}

/** Secrets that must not be in a bundle, by the formats that their issuers define. */
const SHAPES: readonly Shape[] = [
  {
    rule: 'secret-private-key',
    pattern:
      /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\r?\n(?:[A-Z][A-Za-z-]+: [^\r\n]*)?){1,8}[A-Za-z0-9+/=\r\n]{64}/,
  },
  {
    rule: 'secret-private-key',
    pattern: /PuTTY-User-Key-File-[23]: [\s\S]{1,400}?Private-Lines: [0-9]/,
  },
  // A service account's key, as JSON holds it.
  {
    rule: 'secret-private-key',
    pattern: /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\\n[A-Za-z0-9+/=\\]{64}/,
  },
  { rule: 'secret-hugging-face-token', pattern: /\b(?:hf|api_org)_[A-Za-z0-9]{34,}\b/ },
  {
    rule: 'secret-github-token',
    pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})\b/,
  },
  { rule: 'secret-gitlab-token', pattern: /\bgl(?:pat|dt|rt|cbt|ptt|ft|soat)-[A-Za-z0-9_-]{20,}/ },
  {
    rule: 'secret-slack-token',
    pattern:
      /\bxox[abeprs]-[0-9A-Za-z-]{20,}|hooks\.slack\.com\/services\/T[A-Z0-9]{8,}\/B[A-Z0-9]{8,}\/[A-Za-z0-9]{20,}/,
  },
  { rule: 'secret-ngc-key', pattern: /\bnvapi-[A-Za-z0-9_-]{60,}/ },
  { rule: 'secret-aws-key', pattern: /\b(?:AKIA|ASIA)[A-Z2-7]{16}\b/ },
  {
    rule: 'secret-google-key',
    pattern: /\bAIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])|\bGOCSPX-[0-9A-Za-z_-]{28}/,
  },
  {
    rule: 'secret-azure-key',
    pattern: /\bAccountKey=[A-Za-z0-9+/]{86}==|[?&]sig=[A-Za-z0-9%]{43,}%3D/,
  },
  {
    rule: 'secret-openai-key',
    pattern:
      /\bsk-(?:proj|ant|svcacct)-[A-Za-z0-9_-]{32,}|\bsk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}\b/,
  },
  {
    rule: 'secret-json-web-token',
    pattern: /\beyJ[A-Za-z0-9_-]{10,2048}\.eyJ[A-Za-z0-9_-]{10,8192}\.[A-Za-z0-9_-]{20,}/,
  },
  { rule: 'secret-netrc', pattern: /^[ \t]*machine\s+\S+\s+login\s+\S+\s+password\s+\S{4,}/m },
  {
    rule: 'secret-registry-login',
    pattern:
      /"auths"\s*:\s*\{[^{}]{0,200}\{[^{}]{0,400}"(?:auth|identitytoken|password)"\s*:\s*"[^"]{8,}"/,
  },
  { rule: 'secret-kubeconfig', pattern: /\bclient-key-data:\s*[A-Za-z0-9+/]{64,}/ },
];

/** Files up to this size are searched for secrets, unless they are weights. */
export const MAX_SEARCHED_BYTES: number = 32 * MIB;

const SPAN_BYTES = 1 * MIB;
/** Longer than any secret up to the point where it is recognized, so that a secret that spans two reads is complete in one. */
const OVERLAP_BYTES = 1024;

/** The rules of the secrets in the content, without duplicates. The secrets themselves are never returned. */
export async function findSecrets(bytes: Bytes): Promise<SecretRule[]> {
  const found = new Set<SecretRule>();
  for (let offset = 0; offset < bytes.size; offset += SPAN_BYTES) {
    const start = Math.max(0, offset - OVERLAP_BYTES);
    const span = await bytes.read(start, offset - start + SPAN_BYTES);
    for (const rule of secretsIn(span)) found.add(rule);
  }
  return [...found].sort();
}

export function secretsIn(span: Buffer): SecretRule[] {
  const text = span.toString('latin1');
  return SHAPES.filter(({ pattern }) => pattern.test(text)).map(({ rule }) => rule);
}
