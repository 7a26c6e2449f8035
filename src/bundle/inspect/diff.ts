import {
  byKey,
  byPresence,
  type Change,
  changesBetween,
  changesOf,
  isNothing,
  type Named,
  type NamedChange,
} from '../../content/changes.ts';
import type { ComparedItem, ContentKind, Forms } from '../../content/content-kind.ts';
import { itemsIn } from '../../content/items.ts';
import { type FormsBySection, kinds } from '../../content/kinds.ts';
import type { Digest } from '../../core/digest.ts';
import type { AcceptanceTest, Deployment } from '../../format/deployment.ts';
import type { Finding } from '../../format/finding.ts';
import type { Installer } from '../../format/installer.ts';
import { optionalNames } from '../../format/optional.ts';
import type { Service } from '../../format/service.ts';
import type { Comparable, ComparedRelease, NamedSigner } from './comparable.ts';

/** What changed in each kind of content, by section. */
type ContentDifference = {
  readonly [S in keyof FormsBySection]: Named<
    NonNullable<FormsBySection[S]>['summary'],
    NonNullable<FormsBySection[S]>['change']
  >;
};

/** What changed in one kind of content. */
type ItemDifference = Named<Forms['summary'], Forms['change']>;

/** What changed from one bundle or lock to another. */
export interface Difference extends ContentDifference {
  readonly from: ComparedIdentity;
  readonly to: ComparedIdentity;
  /** Whether the contents are the same, regardless of sequence, lock time, signers and rehearsals. */
  readonly same: boolean;
  readonly release: readonly Change[];
  readonly licenses: LicenseChanges;
  /** Chat templates by file, as recorded by the examination. */
  readonly chatTemplates: Named<ChatTemplates, ChatTemplateChange>;
  readonly configuration: {
    readonly services: Named<Service, NamedChange>;
    readonly acceptance: Named<AcceptanceTest, never>;
    /** Changes of what is optional, parameters, secrets, requirements, recalls and `upgradeFrom`. */
    readonly other: readonly Change[];
  };
  /** Absent if the findings of one side cannot be read. */
  readonly findings?: Named<Finding, never>;
  /** The programs that a bundle brings; absent if one side is a lock. */
  readonly installers?: Named<Installer, NamedChange>;
  readonly signers: Named<NamedSigner, never>;
  /** In words; absent if one side is a lock. */
  readonly rehearsals?: Named<string, never>;
  readonly travel: Travel;
}

export interface ComparedIdentity
  extends Pick<ComparedRelease, 'name' | 'version' | 'channel' | 'seq'> {
  readonly kind: Comparable['kind'];
  readonly id?: string;
  readonly verified: boolean;
}

export interface LicenseChanges {
  /** Licenses of models and other items whose publishers state one, by name. */
  readonly models: readonly Change[];
  /** Package licenses that occur on one side only. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

export interface ChatTemplates {
  readonly source: string;
  readonly file: string;
  readonly digests: readonly Digest[];
}

export interface ChatTemplateChange {
  readonly source: string;
  readonly file: string;
  readonly from: readonly Digest[];
  readonly to: readonly Digest[];
}

/** What a site that has the first bundle must receive to install the second. */
export interface Travel {
  /** Blobs that the first does not have. */
  readonly blobs: number;
  readonly bytes: number;
  /** Blobs that both have. */
  readonly sharedBlobs: number;
  readonly sharedBytes: number;
  /** Everything that is not a blob is always transferred: lists, attestations, installers, recovery parts. */
  readonly otherBytes: number;
}

/** Compares two sides. Pure; values are taken from the documents unescaped and may be hostile. */
export function diffSides(from: Comparable, to: Comparable): Difference {
  const release = changesBetween(releaseOf(from), releaseOf(to));
  const configuration = diffConfiguration(from.deployment, to.deployment);
  const signers = byPresence(from.signers, to.signers, signerKey);
  const contents: Readonly<Record<string, ItemDifference>> = Object.fromEntries(
    kinds.filter(isCompared(from, to)).map((kind) => [kind.section, diffItems(kind, from, to)]),
  );
  const installers = diffInstallers(from, to);
  const compared = [
    ...Object.values(contents),
    ...[configuration.services, configuration.acceptance],
    ...(installers === undefined ? [] : [installers]),
  ];
  return {
    from: identityOf(from),
    to: identityOf(to),
    same:
      compared.every(isNothing) &&
      configuration.other.length === 0 &&
      release.every(({ path }) => path === 'seq' || path === 'resolvedAt'),
    release,
    ...(contents as object as ContentDifference),
    licenses: diffLicenses(from, to),
    chatTemplates: byKey(chatTemplates(from), chatTemplates(to), templateKey, templateChange),
    configuration,
    ...(from.findings === undefined || to.findings === undefined
      ? {}
      : { findings: byPresence(from.findings, to.findings, findingKey) }),
    ...(installers === undefined ? {} : { installers }),
    signers,
    ...(from.kind === 'lock' || to.kind === 'lock'
      ? {}
      : { rehearsals: byPresence(from.rehearsals, to.rehearsals, (each) => each) }),
    travel: travelOf(from, to),
  };
}

/** What changed in one kind of content. */
export function differenceIn(difference: Difference, kind: ContentKind): ItemDifference {
  const found = (difference as Partial<ContentDifference>)[kind.section as keyof ContentDifference];
  return found ?? { added: [], removed: [], changed: [] };
}

function isCompared(...sides: readonly Comparable[]): (kind: ContentKind) => boolean {
  return (kind) => kind.optional !== true || sides.some((each) => itemsIn(each, kind).length > 0);
}

function nameOf({ name }: { readonly name: string }): string {
  return name;
}

function releaseOf({ release }: Comparable): object {
  const { name, version, channel, seq, resolvedAt, description, platforms } = release;
  return { name, version, channel, seq, resolvedAt, description, platforms };
}

function identityOf({ kind, id, verified, release }: Comparable): ComparedIdentity {
  const { name, version, channel, seq } = release;
  return { kind, ...(id === undefined ? {} : { id }), verified, name, version, channel, seq };
}

function diffItems(kind: ContentKind, from: Comparable, to: Comparable): ItemDifference {
  const [before, after] = [itemsIn<'compared'>(from, kind), itemsIn<'compared'>(to, kind)];
  const items = byKey(before, after, nameOf, (a, b) => kind.change(a, b));
  const summary = (item: ComparedItem): Forms['summary'] => kind.summary(item);
  return { ...items, added: items.added.map(summary), removed: items.removed.map(summary) };
}

function diffLicenses(from: Comparable, to: Comparable): LicenseChanges {
  const own = (side: Comparable): object =>
    Object.fromEntries(comparedItems(side).map(({ name, license }) => [name, license]));
  const packages = (side: Comparable): Set<string> =>
    new Set(
      comparedItems(side).flatMap((each) =>
        (each.packages ?? []).flatMap(({ license }) => license ?? []),
      ),
    );
  const [before, after] = [packages(from), packages(to)];
  return {
    models: changesBetween(own(from), own(to)),
    added: [...after].filter((each) => !before.has(each)).sort(),
    removed: [...before].filter((each) => !after.has(each)).sort(),
  };
}

function comparedItems(side: Comparable): ComparedItem[] {
  return kinds.flatMap((kind) => itemsIn<'compared'>(side, kind));
}

function diffInstallers(from: Comparable, to: Comparable): Difference['installers'] {
  if (from.installers === undefined || to.installers === undefined) return undefined;
  const path = (each: Installer): string => each.path;
  const described = ({ size, sha512 }: Installer): object => ({ size, sha512 });
  return byKey(from.installers, to.installers, path, (a, b) =>
    changesOf(b.path, described(a), described(b)),
  );
}

function diffConfiguration(from: Deployment, to: Deployment): Difference['configuration'] {
  const other = (side: Deployment): object => {
    const { evaluations, knownEgress, parameters, secrets, requires } = side;
    const { recalls, upgradeFrom, cluster } = side;
    const names = optionalNames(side);
    const optional = names.length === 0 ? undefined : names;
    return {
      ...{ evaluations, knownEgress, optional, parameters, secrets, requires },
      ...{ recalls, upgradeFrom, cluster },
    };
  };
  return {
    services: byKey(from.services, to.services, nameOf, (a, b) => changesOf(a.name, a, b)),
    acceptance: byPresence(from.acceptance, to.acceptance, (each) => JSON.stringify(each)),
    other: changesBetween(other(from), other(to)),
  };
}

function chatTemplates({ findings = [] }: Comparable): ChatTemplates[] {
  const recorded = findings.filter(({ rule }) => rule === 'chat-template');
  return [...Map.groupBy(recorded, findingPlace).values()].map((list) => ({
    source: list[0]?.source ?? '',
    file: list[0]?.file ?? '',
    digests: list.flatMap(({ digest }) => digest ?? []).sort(),
  }));
}

function findingPlace({ source, file }: Finding): string {
  return JSON.stringify([source, file]);
}

function findingKey({ source, file, rule, message, allowed, digest }: Finding): string {
  return JSON.stringify([source, file, rule, message, allowed, digest]);
}

function templateKey({ source, file }: ChatTemplates): string {
  return JSON.stringify([source, file]);
}

function templateChange(from: ChatTemplates, to: ChatTemplates): ChatTemplateChange | undefined {
  if (changesBetween(from.digests, to.digests).length === 0) return undefined;
  return { source: to.source, file: to.file, from: from.digests, to: to.digests };
}

/** A signer is a key with a name; an invalid signature has no signer. */
function signerKey({ file, subject, key }: NamedSigner): string {
  return key === undefined ? JSON.stringify([file]) : JSON.stringify([subject, key]);
}

function travelOf(from: Comparable, to: Comparable): Travel {
  const all = [...to.blobs];
  const fresh = all.filter(([digest]) => !from.blobs.has(digest));
  const bytes = (list: typeof all): number => list.reduce((sum, [, size]) => sum + size, 0);
  return {
    blobs: fresh.length,
    bytes: bytes(fresh),
    sharedBlobs: all.length - fresh.length,
    sharedBytes: bytes(all) - bytes(fresh),
    otherBytes: to.otherBytes,
  };
}
