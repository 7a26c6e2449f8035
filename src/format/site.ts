import { isIP } from 'node:net';
import * as z from 'zod';
import { canonicalIpv6, isLinkLocal, mappedIpv4 } from '../core/host-address.ts';
import { MAX_SITE_BYTES } from '../core/limits.ts';
import { addressPattern } from './address-pattern.ts';
import { follows } from './defect.ts';
import { apiVersionMember, type DocumentKind, newerHints } from './document.ts';
import { type Egress, siteEgress } from './egress.ts';
import { type Evaluation, siteEvaluations } from './evaluation.ts';
import * as field from './field.ts';
import { forEditors } from './for-editors.ts';
import {
  type KubernetesSite,
  kubernetesSite,
  type SecretReference,
  secretReference,
} from './kubernetes-site.ts';
import { partName } from './optional.ts';
import { type RehearsalRequirement, rehearsalRequirement } from './rehearsal-requirement.ts';
import { type TargetName, targetNames } from './target-name.ts';

export type ParameterValue = string | number | boolean;

/** When changes may start: on these days, from one time of day to another, which may be on the next day. */
export interface Window {
  readonly days: readonly Weekday[];
  /** `HH:MM`, in the time zone. */
  readonly from: string;
  readonly to: string;
  /** A name of the IANA database, such as `Europe/Berlin`. */
  readonly timeZone: string;
}

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof weekdays)[number];

/** A period in which changes are not allowed, also inside a window. */
export interface Suppression {
  readonly from: string;
  readonly until: string;
  readonly reason: string;
}

/** One disconnected place, described by `site.yaml`. */
export interface Site {
  readonly apiVersion: 'stowage/v1';
  readonly name: string;
  readonly target: TargetName;
  /** The cluster, for the target `kubernetes`. */
  readonly kubernetes?: KubernetesSite;
  /** The host address on which services publish their ports, of IPv4 or IPv6, without brackets. */
  readonly address: string;
  /** The channels whose releases can be imported. */
  readonly channels: readonly string[];
  /**
   * The channel that this site follows: a release is installed only if the channel has it, because it was packed for it or a
   * notice promoted it. Absent for a site that installs whatever it can import.
   */
  readonly channel?: string;
  /** Whether a bundle needs a signature of the trust document's role `approval` as well. */
  readonly requireApproval: boolean;
  /** Whether a plan needs a signature of that role before it is applied. */
  readonly requirePlanApproval: boolean;
  /** Whether a release needs a rehearsal before it is installed, and which. */
  readonly requireRehearsal?: RehearsalRequirement;
  /** Free text about the site, for receipts. */
  readonly labels: Readonly<Record<string, string>>;
  /** When changes may start; at any time if empty. */
  readonly windows: readonly Window[];
  readonly suppressions: readonly Suppression[];
  /** For each release: the major version for which the values below were confirmed. */
  readonly confirmed: Readonly<Record<string, number>>;
  /** Values for the parameters of each release. */
  readonly parameters: Readonly<Record<string, Readonly<Record<string, ParameterValue>>>>;
  /** The locations of the secrets of each release. */
  readonly secrets: Readonly<Record<string, Readonly<Record<string, SecretReference>>>>;
  /** The optional parts of each release that the site has; a release without an entry has none of its optional parts here. */
  readonly with?: Readonly<Record<string, 'all' | readonly string[]>>;
  /** Evaluations that the site adds to each release, with questions that never travelled. */
  readonly evaluations?: Readonly<Record<string, readonly Evaluation[]>>;
  /** For each release and service: where it may open connections to, besides what the manifest names. */
  readonly egress?: Readonly<Record<string, Readonly<Record<string, readonly Egress[]>>>>;
}

const timeOfDay = z
  .string()
  .regex(/^(?:[01][0-9]|2[0-3]):[0-5][0-9]$/, 'expected a time of day such as 22:00');

const window: z.ZodType<Window> = field.exact(
  z.strictObject({
    days: z
      .array(z.enum(weekdays))
      .min(1)
      .max(7)
      .default([...weekdays]),
    from: timeOfDay,
    to: timeOfDay,
    timeZone: z
      .string()
      .max(64)
      .refine(isTimeZone, 'expected a time zone such as Europe/Berlin')
      .default('UTC'),
  }),
);

/** Of IPv6 addresses, those of a link, and those that stand for one of IPv4, as they are written most often. */
const LINK_LOCAL = '[Ff][Ee][89ABab][0-9A-Fa-f]:';
const MAPPED = '::[Ff]{4}:(?:[0-9.]+|[0-9A-Fa-f]+:[0-9A-Fa-f]+)$';

const NO_ADDRESS = 'expected an IPv4 or IPv6 address of this host, without brackets';

const address: z.ZodType<string> = forEditors(
  z.string(NO_ADDRESS).superRefine((value, context) => {
    const mapped = mappedIpv4(value);
    const [plain, zone] = value.split('%');
    const message =
      mapped !== undefined
        ? `expected the IPv4 address itself: ${mapped}`
        : isLinkLocal(plain ?? '')
          ? 'expected an address that is not link-local: engines cannot publish on one'
          : zone !== undefined || (isIP(value) !== 4 && canonicalIpv6(value) === undefined)
            ? NO_ADDRESS
            : undefined;
    if (message !== undefined) context.addIssue({ code: 'custom', message, input: value });
  }),
  { pattern: `(?!${LINK_LOCAL}|${MAPPED})${addressPattern}` },
);

const WITH = 'expected a list of optional parts such as [small], or all';

const schema: z.ZodType<Site> = field.exact(
  z
    .strictObject({
      apiVersion: z.literal('stowage/v1'),
      name: field.name,
      target: z.enum(targetNames).default('podman'),
      kubernetes: kubernetesSite.exactOptional(),
      address: address.default('127.0.0.1'),
      channels: z.array(field.name).min(1).max(64).default(['stable']),
      channel: field.name.exactOptional(),
      requireApproval: z.boolean().default(false),
      requirePlanApproval: z.boolean().default(false),
      requireRehearsal: rehearsalRequirement.exactOptional(),
      labels: z.record(field.name, field.line(256)).default({}),
      windows: z.array(window).max(64).default([]),
      suppressions: z
        .array(
          z
            .strictObject({ from: field.moment, until: field.moment, reason: field.line(500) })
            .refine((value) => value.from < value.until, {
              ...follows(['.', 'from'], ['.', 'until']),
              message: 'expected from before until',
            }),
        )
        .max(64)
        .default([]),
      confirmed: z.record(field.name, z.int().min(0)).default({}),
      parameters: z
        .record(field.name, z.record(z.string(), z.union([field.text(4096), z.int(), z.boolean()])))
        .default({}),
      secrets: z.record(field.name, z.record(field.name, secretReference)).default({}),
      with: z
        .record(field.name, z.union([z.literal('all'), z.array(partName).max(1000)], WITH))
        .exactOptional(),
      evaluations: z.record(field.name, siteEvaluations).exactOptional(),
      egress: z.record(field.name, z.record(field.name, siteEgress)).exactOptional(),
    })
    .refine((value) => (value.target === 'kubernetes') === (value.kubernetes !== undefined), {
      path: ['kubernetes'],
      message: 'the target kubernetes needs it, and only that target has it',
    }),
);

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

export const siteKind: DocumentKind<Site> = {
  name: 'site.yaml',
  versionIn: apiVersionMember,
  code: 'site-invalid',
  schema,
  maxBytes: MAX_SITE_BYTES,
  hint: 'correct site.yaml in the site folder; "stowage help site.yaml" explains every field',
  hintAt: ({ file, line, field }) =>
    `correct ${field === undefined ? '' : `${field} in `}line ${line} of ${file}; "stowage help site.yaml" explains every field`,
  newerHint: newerHints.written,
};
