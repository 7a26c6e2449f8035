import * as z from 'zod';
import * as field from './field.ts';
import { type AlgorithmName, algorithmName, type Role, type RoleName, roleNames } from './trust.ts';

/** Whose signatures counted. */
export interface ReportTrust {
  /** The given trust document or root, for display. */
  readonly subject: string;
  /** SHA-256 of the given trust document or root certificate. */
  readonly fingerprint: string;
  readonly kind: 'document' | 'root';
  /** The version of the given document, if the bundle contains a newer one, which was used instead. */
  readonly walkedFrom?: number;
  /** The version of the document that was used. */
  readonly version: number;
  readonly issuedAt: string;
  readonly expiresAt?: string;
  readonly algorithms: readonly AlgorithmName[];
  readonly roles: readonly (Role & { readonly name: RoleName })[];
  readonly roots: readonly {
    readonly name: string;
    readonly subject: string;
    readonly serial: string;
    /** SHA-256 of the certificate. */
    readonly certificate: string;
    readonly notAfter: string;
  }[];
  /** How many certificates it revokes. */
  readonly revoked: number;
}

/** A sentence of a report. */
export const reportWords: z.ZodType<string> = field.line(4000);
/** Of a certificate: lower-case hex without leading zeros. */
export const serialNumber: z.ZodType<string> = z.string().regex(/^[1-9a-f][0-9a-f]{0,39}$/);
const fingerprint = field.hex(64);

export const reportTrust: z.ZodType<ReportTrust> = field.exact(
  z.strictObject({
    subject: reportWords,
    fingerprint,
    kind: z.enum(['document', 'root']),
    walkedFrom: field.sequence.exactOptional(),
    version: field.sequence,
    issuedAt: field.moment,
    expiresAt: field.moment.exactOptional(),
    algorithms: z.array(algorithmName).min(1),
    roles: z
      .array(
        z.strictObject({
          name: z.enum(roleNames),
          threshold: z.int().min(1),
          roots: z.array(field.name).min(1),
          requires: z.array(algorithmName).min(1).exactOptional(),
        }),
      )
      .min(1),
    roots: z
      .array(
        z.strictObject({
          name: field.name,
          subject: reportWords,
          serial: serialNumber,
          certificate: fingerprint,
          notAfter: field.moment,
        }),
      )
      .min(1),
    revoked: field.bytes,
  }),
);
