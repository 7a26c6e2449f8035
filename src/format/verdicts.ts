import * as z from 'zod';
import { MAX_MANIFEST_BYTES } from '../core/limits.ts';
import { apiVersionMember, type DocumentKind, newerHints } from './document.ts';
import * as field from './field.ts';

/** What a person may say of a vulnerability (CycloneDX 1.6, `analysis.state`). */
export const verdictStates = [
  'not_affected',
  'exploitable',
  'in_triage',
  'resolved',
  'false_positive',
] as const;

/** Why a release is not affected (CycloneDX 1.6, `analysis.justification`). */
export const justifications = [
  'code_not_present',
  'code_not_reachable',
  'requires_configuration',
  'requires_dependency',
  'requires_environment',
  'protected_by_compiler',
  'protected_at_runtime',
  'protected_at_perimeter',
  'protected_by_mitigating_control',
] as const;

/** What a person says of one vulnerability. */
export interface Verdict {
  readonly id: string;
  /** The release that it is about; every release without it. */
  readonly release?: string;
  /** The name of the package; every package without it. */
  readonly package?: string;
  readonly state: (typeof verdictStates)[number];
  /** Required for `not_affected`, and only allowed there. */
  readonly because?: (typeof justifications)[number];
  /** Why, for the officer who reads it. */
  readonly detail: string;
  /** Who says so. */
  readonly by: string;
}

/** The verdicts of a team, `verdicts.yaml`, written by hand. */
export interface Verdicts {
  readonly apiVersion: 'stowage/v1';
  readonly verdicts: readonly Verdict[];
}

const verdict: z.ZodType<Verdict> = field.exact(
  z
    .strictObject({
      id: field.line(100),
      release: field.name.exactOptional(),
      package: field.line(200).exactOptional(),
      state: z.enum(verdictStates),
      because: z.enum(justifications).exactOptional(),
      detail: field.line(1000),
      by: field.line(200),
    })
    .superRefine(({ state, because }, context) => {
      if ((state === 'not_affected') === (because !== undefined)) return;
      const message =
        because === undefined
          ? 'expected a reason for not_affected, such as code_not_reachable'
          : 'expected no reason, except for not_affected';
      context.addIssue({ code: 'custom', path: ['because'], message });
    }),
);

export const verdictsKind: DocumentKind<Verdicts> = {
  name: 'verdicts.yaml',
  versionIn: apiVersionMember,
  code: 'document-invalid',
  schema: field.exact(
    z.strictObject({
      apiVersion: z.literal('stowage/v1'),
      verdicts: z.array(verdict).max(10_000),
    }),
  ),
  maxBytes: MAX_MANIFEST_BYTES,
  hint: 'correct verdicts.yaml; manifests/FLEET.md explains every field',
  hintAt: ({ file, line }) =>
    `correct line ${line} of ${file}; manifests/FLEET.md explains every field`,
  newerHint: newerHints.written,
};
