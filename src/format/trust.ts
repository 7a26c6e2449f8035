import { z } from 'zod';
import { MAX_CERTIFICATE_BYTES, MAX_TRUST_BYTES } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import * as field from './field.ts';

/** The signature algorithms a trust document can allow. */
export const algorithmNames = [
  'ecdsa-p384-sha384',
  'rsa-pkcs1-sha384',
  'rsa-pss-sha384',
  'ml-dsa-87',
] as const;

export type AlgorithmName = (typeof algorithmNames)[number];

/** What a signature may count for. */
export type RoleName = 'release' | 'approval';

export interface Role {
  /** How many distinct keys must have signed. */
  readonly threshold: number;
  /** Names of the roots under which those keys are certified. */
  readonly roots: readonly string[];
}

/** Whose signatures a site accepts, how many, with what algorithms. Pinned at the site, never taken from the bundle it judges. */
export interface Trust {
  readonly schema: 'stowage/trust/v1';
  readonly version: number;
  readonly issuedAt: string;
  readonly roots: readonly {
    readonly name: string;
    /** The DER of the root certificate, in base64. */
    readonly certificate: string;
  }[];
  readonly roles: { readonly release: Role; readonly approval?: Role };
  /** The algorithms that may count; the message never chooses. */
  readonly algorithms: readonly AlgorithmName[];
  readonly revoked: readonly {
    /** SHA-256 of the certificate that issued the revoked one, 64 hex digits. */
    readonly issuer: string;
    /** Its serial number, lower-case hex without leading zeros. */
    readonly serial: string;
    readonly reason: string;
  }[];
}

const role: z.ZodType<Role> = z.strictObject({
  threshold: z.int().min(1).max(16),
  roots: z.array(field.name).min(1).max(16),
});

const schema: z.ZodType<Trust> = z
  .strictObject({
    schema: z.literal('stowage/trust/v1'),
    version: field.sequence,
    issuedAt: field.moment,
    roots: z
      .array(
        z.strictObject({
          name: field.name,
          certificate: z.base64().max(MAX_CERTIFICATE_BYTES * 2),
        }),
      )
      .min(1)
      .max(16),
    roles: z.strictObject({ release: role, approval: role.exactOptional() }),
    algorithms: z.array(z.enum(algorithmNames)).min(1),
    revoked: z
      .array(
        z.strictObject({
          issuer: field.hex(64),
          serial: z.string().regex(/^[1-9a-f][0-9a-f]{0,39}$/),
          reason: field.line(200),
        }),
      )
      .max(10_000),
  })
  .superRefine((trust, context) => {
    const known = new Set(trust.roots.map((root) => root.name));
    if (known.size !== trust.roots.length) {
      context.addIssue({ code: 'custom', path: ['roots'], message: 'two roots have one name' });
    }
    for (const [name, each] of Object.entries(trust.roles)) {
      for (const root of each.roots) {
        if (known.has(root)) continue;
        context.addIssue({
          code: 'custom',
          path: ['roles', name],
          message: `unknown root ${root}`,
        });
      }
    }
  });

export const trustKind: DocumentKind<Trust> = {
  name: 'trust document',
  code: 'document-invalid',
  schema,
  maxBytes: MAX_TRUST_BYTES,
  hint: 'ask the authority that issued the trust document for a fresh copy',
};
