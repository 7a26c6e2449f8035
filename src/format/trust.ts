import * as z from 'zod';
import { MAX_CERTIFICATE_BYTES, MAX_TRUST_BYTES } from '../core/limits.ts';
import { type DocumentKind, readCanonical, schemaMember, writeCanonical } from './document.ts';
import * as field from './field.ts';
import { type RehearsalRequirement, rehearsalRequirement } from './rehearsal-requirement.ts';

/** The signature algorithms a trust document can allow. */
export const algorithmNames = [
  'ecdsa-p384-sha384',
  'rsa-pkcs1-sha384',
  'rsa-pss-sha384',
  'ml-dsa-87',
] as const;

export type AlgorithmName = (typeof algorithmNames)[number];

/** What a signature can count for; `root` signs the next trust document. */
export const roleNames = ['root', 'release', 'approval'] as const;

export type RoleName = (typeof roleNames)[number];

export interface Role {
  /** How many distinct keys must sign. */
  readonly threshold: number;
  /** The names of the roots that certify those keys. */
  readonly roots: readonly string[];
  /** Each of these algorithms must be used by at least one signature that counts. */
  readonly requires?: readonly AlgorithmName[];
}

const schemas = ['stowage/trust/v1', 'stowage/trust/v2'] as const;
export type TrustSchema = (typeof schemas)[number];

/** Whose signatures a site accepts, how many, with what algorithms. Pinned at the site, never taken from the bundle it judges. */
export interface Trust {
  /** Version 2 with `rehearsals`. */
  readonly schema: TrustSchema;
  /** One more than in the previous document. */
  readonly version: number;
  readonly issuedAt: string;
  /** After this time it can only verify its successor. */
  readonly expiresAt?: string;
  readonly roots: readonly {
    readonly name: string;
    /** The DER of the root certificate, in base64. */
    readonly certificate: string;
  }[];
  readonly roles: { readonly root: Role; readonly release: Role; readonly approval?: Role };
  /** The accepted algorithms. */
  readonly algorithms: readonly AlgorithmName[];
  readonly revoked: readonly {
    /** SHA-256 of the certificate that issued the revoked one, or of that issuer's public key; 64 hex digits. */
    readonly issuer: string;
    /** Its serial number, lower-case hex without leading zeros. */
    readonly serial: string;
    readonly reason: string;
  }[];
  /** The channels whose bundles can be imported; any if absent. */
  readonly channels?: readonly string[];
  /**
   * The lowest `seq` that can be imported, by `product/channel`. A changed floor also resets a site that accepted a
   * higher sequence: the recovery if a stolen key signed a sequence that no later bundle can exceed.
   */
  readonly seqFloor?: Readonly<Record<string, number>>;
  /** The channels whose releases need a rehearsal before they are installed. */
  readonly rehearsals?: Readonly<Record<string, RehearsalRequirement>>;
  /** How old the newest signature that counts may be when a bundle is imported. */
  readonly maxAgeDays?: number;
}

export const algorithmName: z.ZodType<AlgorithmName> = field.exact(z.enum(algorithmNames));

const role: z.ZodType<Role> = field.exact(
  z.strictObject({
    threshold: z.int().min(1).max(16),
    roots: z.array(field.name).min(1).max(16),
    requires: z.array(algorithmName).min(1).exactOptional(),
  }),
);

const PRODUCT_AND_CHANNEL = /^[a-z0-9]+(?:-[a-z0-9]+)*\/[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** Sequence numbers by `product/channel`. */
export const seqFloor: z.ZodType<Readonly<Record<string, number>>> = field.exact(
  z.record(z.string(), field.sequence),
);

const schema: z.ZodType<Trust> = field.exact(
  z
    .strictObject({
      schema: z.literal(schemas),
      version: field.sequence,
      issuedAt: field.moment,
      expiresAt: field.moment.exactOptional(),
      roots: z
        .array(
          z.strictObject({
            name: field.name,
            certificate: z.base64().max(MAX_CERTIFICATE_BYTES * 2),
          }),
        )
        .min(1)
        .max(16),
      roles: z.strictObject({ root: role, release: role, approval: role.exactOptional() }),
      algorithms: z.array(algorithmName).min(1),
      revoked: z
        .array(
          z.strictObject({
            issuer: field.hex(64),
            serial: z.string().regex(/^[1-9a-f][0-9a-f]{0,39}$/),
            reason: field.line(200),
          }),
        )
        .max(10_000),
      channels: z.array(field.name).min(1).max(64).exactOptional(),
      seqFloor: seqFloor.exactOptional(),
      rehearsals: z.record(field.name, rehearsalRequirement).exactOptional(),
      maxAgeDays: z.int().min(1).max(3650).exactOptional(),
    })
    .superRefine((trust, context) => {
      const defect = (path: readonly string[], message: string): void =>
        context.addIssue({ code: 'custom', path: [...path], message });
      const known = new Set(trust.roots.map((root) => root.name));
      if (known.size !== trust.roots.length) defect(['roots'], 'two roots have the same name');
      for (const [name, each] of Object.entries(trust.roles)) {
        for (const root of each.roots)
          if (!known.has(root)) defect(['roles', name], `unknown root ${root}`);
        for (const required of each.requires ?? [])
          if (!trust.algorithms.includes(required))
            defect(['roles', name], `requires ${required}, which is not in algorithms`);
      }
      if (schemas.indexOf(trust.schema) < schemas.indexOf(trustSchema(trust)))
        defect(['schema'], `it has fields of ${trustSchema(trust)}`);
      for (const key of Object.keys(trust.seqFloor ?? {}))
        if (!PRODUCT_AND_CHANNEL.test(key)) defect(['seqFloor', key], 'expected PRODUCT/CHANNEL');
      if (trust.expiresAt !== undefined && trust.expiresAt <= trust.issuedAt)
        defect(['expiresAt'], 'expected a time after issuedAt');
    }),
);

/** The first version that has every field of a trust document. */
export function trustSchema({ rehearsals }: Pick<Trust, 'rehearsals'>): TrustSchema {
  return rehearsals === undefined ? schemas[0] : schemas[1];
}

export const trustKind: DocumentKind<Trust> = {
  name: 'trust document',
  versionIn: schemaMember('trust'),
  span: schemas.length,
  code: 'document-invalid',
  schema,
  maxBytes: MAX_TRUST_BYTES,
  hint: 'ask the security officer for a new copy of the trust document',
};

// What somebody signed, and what paper and ledger know by its digest, are these bytes and not those of its converted form.
const written = new WeakMap<Trust, Buffer>();

/** Reads a trust document. @throws StowageError `format-newer`, `document-invalid` */
export function readTrustDocument(bytes: Uint8Array): Trust {
  const trust = readCanonical(trustKind, bytes);
  written.set(trust, Buffer.from(bytes));
  return trust;
}

/** The bytes of a trust document: those that it was read from, in whatever version, or its canonical form when it was made. */
export function trustBytes(trust: Trust): Buffer {
  return written.get(trust) ?? writeCanonical(trustKind, trust);
}
