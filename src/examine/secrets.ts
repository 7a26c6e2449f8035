import { MIB } from '../core/limits.ts';
import type { Rule } from '../format/finding.ts';
import type { Bytes } from './bytes.ts';
import { LiteralSearch } from './literal-search.ts';

type SecretRule = Extract<Rule, `secret-${string}`>;

interface Shape {
  readonly rule: SecretRule;
  /** Every match of the pattern contains one of these. */
  readonly literals: readonly string[];
  readonly pattern: RegExp;
}

/** Secrets that must not be in a bundle, by the formats that their issuers define. */
const SHAPES: readonly Shape[] = [
  {
    rule: 'secret-private-key',
    literals: ['PRIVATE KEY'],
    pattern:
      /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\r?\n(?:[A-Z][A-Za-z-]+: [^\r\n]*)?){1,8}[A-Za-z0-9+/=\r\n]{64}/,
  },
  {
    rule: 'secret-private-key',
    literals: ['PuTTY-User-Key-File-'],
    pattern: /PuTTY-User-Key-File-[23]: [\s\S]{1,400}?Private-Lines: [0-9]/,
  },
  // A service account's key, as JSON holds it.
  {
    rule: 'secret-private-key',
    literals: ['PRIVATE KEY-----\\n'],
    pattern: /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\\n[A-Za-z0-9+/=\\]{64}/,
  },
  {
    rule: 'secret-hugging-face-token',
    literals: ['hf_', 'api_org_'],
    pattern: /\b(?:hf|api_org)_[A-Za-z0-9]{34,}\b/,
  },
  {
    rule: 'secret-github-token',
    literals: ['ghp_', 'gho_', 'ghu_', 'ghr_', 'ghs_', 'github_pat_'],
    pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})\b/,
  },
  {
    rule: 'secret-gitlab-token',
    literals: ['glpat-', 'gldt-', 'glrt-', 'glcbt-', 'glptt-', 'glft-', 'glsoat-'],
    pattern: /\bgl(?:pat|dt|rt|cbt|ptt|ft|soat)-[A-Za-z0-9_-]{20,}/,
  },
  {
    rule: 'secret-slack-token',
    literals: ['xox', 'hooks.slack.com/services/'],
    pattern:
      /\bxox[abeprs]-[0-9A-Za-z-]{20,}|hooks\.slack\.com\/services\/T[A-Z0-9]{8,}\/B[A-Z0-9]{8,}\/[A-Za-z0-9]{20,}/,
  },
  { rule: 'secret-ngc-key', literals: ['nvapi-'], pattern: /\bnvapi-[A-Za-z0-9_-]{60,}/ },
  { rule: 'secret-aws-key', literals: ['AKIA', 'ASIA'], pattern: /\b(?:AKIA|ASIA)[A-Z2-7]{16}\b/ },
  {
    rule: 'secret-google-key',
    literals: ['AIza', 'GOCSPX-'],
    pattern: /\bAIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])|\bGOCSPX-[0-9A-Za-z_-]{28}/,
  },
  {
    rule: 'secret-azure-key',
    literals: ['AccountKey=', 'sig='],
    pattern: /\bAccountKey=[A-Za-z0-9+/]{86}==|[?&]sig=[A-Za-z0-9%]{43,}%3D/,
  },
  {
    rule: 'secret-openai-key',
    literals: ['sk-'],
    pattern:
      /\bsk-(?:proj|ant|svcacct)-[A-Za-z0-9_-]{32,}|\bsk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}\b/,
  },
  {
    rule: 'secret-json-web-token',
    literals: ['eyJ'],
    pattern: /\beyJ[A-Za-z0-9_-]{10,2048}\.eyJ[A-Za-z0-9_-]{10,8192}\.[A-Za-z0-9_-]{20,}/,
  },
  {
    rule: 'secret-netrc',
    literals: ['machine'],
    pattern: /^[ \t]*machine\s+\S+\s+login\s+\S+\s+password\s+\S{4,}/m,
  },
  {
    rule: 'secret-registry-login',
    literals: ['"auths"'],
    pattern:
      /"auths"\s*:\s*\{[^{}]{0,200}\{[^{}]{0,400}"(?:auth|identitytoken|password)"\s*:\s*"[^"]{8,}"/,
  },
  {
    rule: 'secret-kubeconfig',
    literals: ['client-key-data:'],
    pattern: /\bclient-key-data:\s*[A-Za-z0-9+/]{64,}/,
  },
];

const search = new LiteralSearch(
  SHAPES.flatMap((value) => value.literals.map((text) => ({ text, value }))),
);

/** Files up to this size are searched for secrets, unless they are weights. */
export const MAX_SEARCHED_BYTES: number = 32 * MIB;

const SPAN_BYTES = 1 * MIB;
/** Longer than any secret up to the point where it is recognized, so that a secret that spans two reads is complete in one. */
const OVERLAP_BYTES = 1024;

/** The rules of the secrets in the content, without duplicates. The secrets themselves are never returned. */
export async function findSecrets(bytes: Bytes): Promise<SecretRule[]> {
  const found = new Set<SecretRule>();
  const read = (offset: number): Promise<Buffer> | undefined => {
    if (offset >= bytes.size) return undefined;
    const start = Math.max(0, offset - OVERLAP_BYTES);
    const span = bytes.read(start, offset - start + SPAN_BYTES);
    // Awaited in its turn, after the span before it was searched.
    span.catch(() => {});
    return span;
  };
  let next = read(0);
  for (let offset = SPAN_BYTES; next !== undefined; offset += SPAN_BYTES) {
    const span: Buffer = await next;
    next = read(offset);
    for (const rule of secretsIn(span)) found.add(rule);
  }
  return [...found].sort();
}

export function secretsIn(span: Buffer): SecretRule[] {
  const shapes = [...search.find(span)];
  if (shapes.length === 0) return [];
  const text = span.toString('latin1');
  return shapes.filter(({ pattern }) => pattern.test(text)).map(({ rule }) => rule);
}
