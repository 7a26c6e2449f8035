import type { Digest } from '../../core/digest.ts';
import type { AcceptancePrompt, Deployment } from '../../format/deployment.ts';
import type { Finding } from '../../format/finding.ts';
import type { Service } from '../../format/service.ts';
import {
  byKey,
  byPresence,
  type Change,
  changesBetween,
  isNothing,
  type Named,
} from './changes.ts';
import type { Comparable, SideFile, SideImage, SideModel, SideRelease } from './comparable.ts';
import type { ListedPackage } from './packages.ts';
import type { NamedSigner } from './signers.ts';

/** What changed from one bundle or lock to another. */
export interface Difference {
  readonly from: SideIdentity;
  readonly to: SideIdentity;
  /** Whether the contents are the same, whatever their number, when they were resolved and who signed. */
  readonly same: boolean;
  readonly release: readonly Change[];
  readonly models: Named<ModelSummary, ModelChange>;
  readonly images: Named<ImageSummary, ImageChange>;
  readonly files: Named<SideFile, NamedChange>;
  readonly licenses: LicenseChanges;
  /** Chat templates by the file that has them, as the examination recorded them. */
  readonly chatTemplates: Named<ChatTemplates, ChatTemplateChange>;
  readonly configuration: {
    readonly services: Named<Service, NamedChange>;
    readonly acceptance: Named<AcceptancePrompt, never>;
    /** Of parameters, secrets, requirements, recalls and where an upgrade may come from. */
    readonly other: readonly Change[];
  };
  /** Absent where one side has none that can be read. */
  readonly findings?: Named<Finding, never>;
  readonly signers: Named<NamedSigner, never>;
  readonly travel: Travel;
}

export interface SideIdentity extends Pick<SideRelease, 'name' | 'version' | 'channel' | 'seq'> {
  readonly kind: Comparable['kind'];
  readonly id?: string;
  readonly verified: boolean;
}

export interface NamedChange {
  readonly name: string;
  readonly changes: readonly Change[];
}

export interface ModelSummary
  extends Pick<SideModel, 'name' | 'repository' | 'commit' | 'license'> {
  readonly files: number;
  readonly size: number;
}

type ModelFile = SideModel['files'][number];
type FileFact = Pick<ModelFile, 'path' | 'size' | 'digest'>;

export interface ModelChange extends NamedChange {
  readonly files: Named<
    FileFact,
    { readonly path: string; readonly from: FileFact; readonly to: FileFact }
  >;
}

export interface ImageSummary extends Pick<SideImage, 'name' | 'source' | 'digest'> {
  readonly packages?: number;
}

export interface PackageChange {
  readonly type: string;
  readonly name: string;
  readonly from: readonly string[];
  readonly to: readonly string[];
}

export interface ImageChange extends NamedChange {
  /** Absent where one side has no list of packages. */
  readonly packages?: Named<ListedPackage, PackageChange>;
}

export interface LicenseChanges {
  /** Of models, by name. */
  readonly models: readonly Change[];
  /** Licences of packages that the other side has none of. */
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

/** What a site that has the first needs of the second. */
export interface Travel {
  /** Blobs that the first does not have. */
  readonly blobs: number;
  readonly bytes: number;
  /** Blobs that both have. */
  readonly sharedBlobs: number;
  readonly sharedBytes: number;
  /** What is no blob travels each time: lists, attestations, installers, recovery parts. */
  readonly otherBytes: number;
}

/** Compares two sides. Pure; values are as the documents have them, hostile or not. */
export function diffSides(from: Comparable, to: Comparable): Difference {
  const models = byKey(from.models, to.models, nameOf, modelChange);
  const images = byKey(from.images, to.images, nameOf, imageChange);
  const files = byKey(from.files, to.files, nameOf, (a, b) => changed(a.name, a, b));
  const release = changesBetween(releaseOf(from), releaseOf(to));
  const configuration = diffConfiguration(from.deployment, to.deployment);
  const signers = byPresence(from.signers, to.signers, signerKey);
  const content = [models, images, files, configuration.services, configuration.acceptance];
  return {
    from: identityOf(from),
    to: identityOf(to),
    same:
      content.every(isNothing) &&
      configuration.other.length === 0 &&
      release.every(({ path }) => path === 'seq' || path === 'resolvedAt'),
    release,
    models: summarized(models, modelSummary),
    images: summarized(images, imageSummary),
    files,
    licenses: diffLicenses(from, to),
    chatTemplates: byKey(chatTemplates(from), chatTemplates(to), templateKey, templateChange),
    configuration,
    ...(from.findings === undefined || to.findings === undefined
      ? {}
      : { findings: byPresence(from.findings, to.findings, findingKey) }),
    signers,
    travel: travelOf(from, to),
  };
}

function nameOf({ name }: { readonly name: string }): string {
  return name;
}

function releaseOf({ release }: Comparable): object {
  const { name, version, channel, seq, resolvedAt, description, platforms } = release;
  return { name, version, channel, seq, resolvedAt, description, platforms };
}

function identityOf({ kind, id, verified, release }: Comparable): SideIdentity {
  const { name, version, channel, seq } = release;
  return { kind, ...(id === undefined ? {} : { id }), verified, name, version, channel, seq };
}

function changed(name: string, from: object, to: object): NamedChange | undefined {
  const changes = changesBetween(from, to);
  return changes.length === 0 ? undefined : { name, changes };
}

function summarized<T, S, C>(named: Named<T, C>, summary: (each: T) => S): Named<S, C> {
  return { ...named, added: named.added.map(summary), removed: named.removed.map(summary) };
}

function modelSummary({ name, repository, commit, license, files }: SideModel): ModelSummary {
  const size = files.reduce((sum, each) => sum + each.size, 0);
  return { name, repository, commit, ...(license && { license }), files: files.length, size };
}

function modelChange(from: SideModel, to: SideModel): ModelChange | undefined {
  const fact = ({ path, size, digest }: ModelFile): FileFact => ({ path, size, digest });
  const files = byKey(
    from.files.map(fact),
    to.files.map(fact),
    ({ path }) => path,
    (a, b) => (a.digest === b.digest ? undefined : { path: a.path, from: a, to: b }),
  );
  const members = ({ source, repository, commit, license, signature }: SideModel): object => ({
    ...{ source, repository, commit, license, signature },
  });
  const changes = changesBetween(members(from), members(to));
  return changes.length === 0 && isNothing(files) ? undefined : { name: to.name, changes, files };
}

function imageSummary({ name, source, digest, packages }: SideImage): ImageSummary {
  return { name, source, digest, ...(packages && { packages: packages.length }) };
}

function imageChange(from: SideImage, to: SideImage): ImageChange | undefined {
  const members = ({ source, digest, platforms, signature }: SideImage): object => ({
    ...{ source, digest, platforms, signature },
  });
  const changes = changesBetween(members(from), members(to));
  const packages =
    from.packages === undefined || to.packages === undefined
      ? undefined
      : diffPackages(from.packages, to.packages);
  if (changes.length === 0 && (packages === undefined || isNothing(packages))) return undefined;
  return { name: to.name, changes, ...(packages && { packages }) };
}

function diffPackages(
  from: readonly ListedPackage[],
  to: readonly ListedPackage[],
): Named<ListedPackage, PackageChange> {
  const [before, after] = [from, to].map((list) =>
    Map.groupBy(list, ({ type, name }) => `${type} ${name}`),
  ) as [Map<string, ListedPackage[]>, Map<string, ListedPackage[]>];
  const only = (a: typeof before, b: typeof before): ListedPackage[] =>
    [...a].flatMap(([key, list]) => (b.has(key) ? [] : list));
  return {
    added: only(after, before),
    removed: only(before, after),
    changed: [...after].flatMap(([key, list]) => {
      const old = before.get(key);
      const [first] = list;
      if (old === undefined || first === undefined) return [];
      const [was, is] = [old, list].map((each) => [...new Set(each.map((p) => p.version))].sort());
      const { type, name } = first;
      return changesBetween(was, is).length === 0
        ? []
        : [{ type, name, from: was ?? [], to: is ?? [] }];
    }),
  };
}

function diffLicenses(from: Comparable, to: Comparable): LicenseChanges {
  const models = ({ models: all }: Comparable): object =>
    Object.fromEntries(all.map(({ name, license }) => [name, license]));
  const packages = ({ images }: Comparable): Set<string> =>
    new Set(
      images.flatMap((each) => (each.packages ?? []).flatMap(({ license }) => license ?? [])),
    );
  const [before, after] = [packages(from), packages(to)];
  return {
    models: changesBetween(models(from), models(to)),
    added: [...after].filter((each) => !before.has(each)).sort(),
    removed: [...before].filter((each) => !after.has(each)).sort(),
  };
}

function diffConfiguration(from: Deployment, to: Deployment): Difference['configuration'] {
  const other = ({ parameters, secrets, requires, recalls, upgradeFrom }: Deployment): object => ({
    ...{ parameters, secrets, requires, recalls, upgradeFrom },
  });
  return {
    services: byKey(from.services, to.services, nameOf, (a, b) => changed(a.name, a, b)),
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

/** A signer is a key under a name; a signature that does not hold is nobody's. */
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
