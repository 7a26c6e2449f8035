import * as z from 'zod';
import type { Digest } from '../core/digest.ts';
import * as field from './field.ts';

/** `refusal` stops the lock unless the manifest allows it; an officer should assess a `warning`; `note` is only recorded. */
export type Severity = 'refusal' | 'warning' | 'note';

/**
 * The rules of the examination, by their effect: `refusal` always stops the lock, `unlessAllowed` stops it unless the
 * manifest allows the rule for the file. The list is closed; `examine/explain.ts` explains each rule.
 */
export const rules = {
  refusal: [
    'file-pointer',
    'file-error-page',
    'file-empty',
    'file-cut',
    'pickle-global',
    'pickle-global-unknown',
    'pickle-extension-code',
    'pickle-call',
    'pickle-persistent-id',
    'pickle-broken',
    'pickle-trailing',
    'npy-malformed',
    'archive-bomb',
    'archive-nested',
    'archive-path',
    'archive-link',
    'archive-device',
    'archive-cut',
    'zip-inconsistent',
    'zip-prefixed',
    'zip-encrypted',
    'zip-checksum',
    'tar-malformed',
    'tar-trailing',
    'safetensors-length',
    'safetensors-json',
    'safetensors-duplicate',
    'safetensors-metadata',
    'safetensors-tensor',
    'safetensors-offsets',
    'safetensors-size',
    'gguf-magic',
    'gguf-version',
    'gguf-limit',
    'gguf-key',
    'gguf-value',
    'gguf-alignment',
    'gguf-tensor',
    'gguf-offset',
    'gguf-truncated',
    'shard-index',
    'shard-missing',
    'shard-tensor',
    'onnx-malformed',
    'onnx-path',
    'license-refused',
    'examine-limit',
  ],
  unlessAllowed: [
    'pickle',
    'archive-opaque',
    'archive-too-large',
    'gguf-type',
    'remote-code-trusted',
    'chat-template-unsafe',
    'native-code',
    'keras-lambda',
    'hub-unsafe',
    'secret-private-key',
    'secret-hugging-face-token',
    'secret-github-token',
    'secret-gitlab-token',
    'secret-slack-token',
    'secret-ngc-key',
    'secret-aws-key',
    'secret-google-key',
    'secret-azure-key',
    'secret-openai-key',
    'secret-json-web-token',
    'secret-netrc',
    'secret-registry-login',
    'secret-kubeconfig',
    'object-image',
  ],
  warning: [
    'safetensors-dtype',
    'gguf-trailing',
    'shard-total',
    'weights-duplicate',
    'remote-code',
    'auto-map',
    'config-unreadable',
    'opaque-weights',
    'license-unknown',
    'license-differs',
    'card-unreadable',
    'glob-unmatched',
    'version-unchanged',
    'asset-draft-model',
    'asset-tokenizer',
    'asset-model',
    'asset-vocabulary',
    'asset-projector',
    'asset-base-model',
    'asset-remote-code',
    'asset-module',
    'asset-kernel',
    'hub-scan',
    'upstream-signature-failed',
    'upstream-signature-absent',
    'attachment-missing',
    'image-platform',
    'image-layers',
    'service-user',
    'object-host',
  ],
  note: [
    'safetensors-alignment',
    'chat-template',
    'license-file',
    'secrets-not-searched',
    'upstream-signer-any',
    'upstream-log-unchecked',
    'upstream-file-unsigned',
    'image-zstd',
  ],
} as const;

export type Rule = (typeof rules)[keyof typeof rules][number];

export type AllowableRule = (typeof rules.unlessAllowed)[number];

export const ruleNames: readonly Rule[] = Object.values(rules).flat();

export function severityOf(rule: Rule): Severity {
  if ((rules.note as readonly Rule[]).includes(rule)) return 'note';
  return (rules.warning as readonly Rule[]).includes(rule) ? 'warning' : 'refusal';
}

/** Whether a manifest can allow this rule. */
export function isAllowable(rule: Rule): rule is AllowableRule {
  return (rules.unlessAllowed as readonly Rule[]).includes(rule);
}

/** Allows a refusal for some files. The author of the manifest takes responsibility for it. */
export interface Allowance {
  readonly rule: AllowableRule;
  /** A glob for the files; without a slash, it matches names at any depth. Its `*` does not match a slash. */
  readonly file: string;
  /** Why it is allowed; recorded in the lock for officers. */
  readonly reason: string;
}

/** A result of the examination. A lock contains a refusal only with the reason that allows it. */
export interface Finding {
  /** The name of the model, files entry or service. */
  readonly source: string;
  /** The file; `*` for the source as a whole. */
  readonly file: string;
  readonly rule: Rule;
  readonly severity: Severity;
  readonly message: string;
  /** SHA-256 of a recorded chat template or license. */
  readonly digest?: Digest;
  /** Lines for the manifest that add what a server would download at startup. */
  readonly offer?: string;
  /** The reason in the manifest for allowing a refusal. */
  readonly allowed?: string;
}

export const allowance: z.ZodType<Allowance> = field.exact(
  z.strictObject({
    rule: z.enum(rules.unlessAllowed),
    file: z.string().min(1).max(1024),
    reason: field.reason(500),
  }),
);

export const finding: z.ZodType<Finding> = field.exact(
  z
    .strictObject({
      source: field.name,
      file: field.line(1024),
      rule: z.enum(ruleNames as [Rule, ...Rule[]]),
      severity: z.enum(['refusal', 'warning', 'note']),
      message: field.line(1000),
      digest: field.digest.exactOptional(),
      offer: field.text(4096).exactOptional(),
      allowed: field.line(500).exactOptional(),
    })
    .refine((value) => value.severity !== 'refusal' || value.allowed !== undefined, {
      path: ['severity'],
      message: 'is a refusal without a reason that allows it',
    }),
);
