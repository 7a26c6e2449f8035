import type { Json } from '../core/canonical-json.ts';
import type { Digest } from '../core/digest.ts';
import type { BundleModel } from '../format/bundled-content.ts';
import type { LockedAttachment, LockedBlob } from '../format/locked-content.ts';
import type {
  ModelSignatureRequirement,
  SignatureRequirement,
  SignatureVerdict,
} from '../format/upstream.ts';
import type { Described } from './artifact.ts';
import type { BillEntry, BlobFacts } from './bill-entry.ts';
import type { Branch } from './branches.ts';
import type { NamedChange } from './changes.ts';
import type { ListedPackage } from './listed-packages.ts';
import type { Seen } from './seen.ts';
import type { Sheet } from './sheet.ts';

/** An item of any kind, in any document. */
export interface Item {
  readonly name: string;
  readonly license?: string;
  /** What became of the publisher's signature, where the manifest asked for one. */
  readonly signature?: SignatureVerdict;
}

/** An item in the manifest. */
export interface WantedItem {
  readonly name: string;
  /** The signature that its publisher must have made. */
  readonly signature?: SignatureRequirement | ModelSignatureRequirement;
}

/** An item in a comparison. */
export interface Side extends Item {
  /** Absent for what has none, and where the bill of materials cannot be read. */
  readonly packages?: readonly ListedPackage[];
}

export type SizedBlob = Pick<LockedBlob, 'digest' | 'size'>;

/** The types that an item of one kind has in the documents. */
export interface Forms {
  /** In the manifest. */
  readonly wanted: WantedItem;
  /** In the lock. */
  readonly locked: Item;
  /** In `bundle.json`. */
  readonly bundled: Item;
  /** In the report of a verification. */
  readonly reported: object;
  readonly side: Side;
  /** In a comparison, when one side lacks it. */
  readonly summary: object;
  readonly change: NamedChange;
}

/** An in-toto subject, before it is written. */
export interface Subject {
  readonly name: string;
  readonly digest: Digest;
}

/** Where an item comes from, as in-toto resource descriptors. */
export interface Origins {
  readonly own: Json;
  /** What it includes from elsewhere. */
  readonly included: readonly Json[];
}

/** A path below a release's layout, which becomes a hard link to a blob or the folder that a tar is unpacked into. */
export interface LaidOut {
  readonly path: string;
  readonly digest: Digest;
  readonly unpack: boolean;
}

/** The release that an item is served of. */
export interface ServedOf {
  readonly release: string;
  /** The release's version as a tag. */
  readonly tag: string;
}

/** A repository that the depot serves of an item. */
export interface Served {
  readonly repository: string;
  readonly tags: Readonly<Record<string, Digest>>;
  /** What the tags name, where its media type is known: an index whose manifests may be elsewhere. */
  readonly target?: LockedBlob;
  /** The manifests, whose config and layers are served too. */
  readonly manifests: readonly Digest[];
  /** Of an index: the platforms that are included, in the form `linux/amd64`, with their manifests. */
  readonly platforms?: readonly { readonly platform: string; readonly manifest: Digest }[];
  readonly attached?: readonly LockedAttachment[];
  /** Where it was copied from. */
  readonly upstream?: { readonly registry: string; readonly path: string };
}

/** What `bundle.json` says of a manifest in the bundle. */
export interface ManifestClaim {
  /** Such as `the manifest of model chat`. */
  readonly what: string;
  readonly digest: Digest;
  /** The manifests that it lists, of an index; absent for a manifest. */
  readonly lists?: readonly Digest[];
  readonly config?: Digest;
  /** All layers, in any order. */
  readonly layers?: readonly Digest[];
  /** Whether the bundle must contain its config and layers. */
  readonly complete: boolean;
}

/** A model as the depot's Hub endpoint and its images of models need it. */
export type HubModel = BundleModel;

/** Where a client asks, for commands that a person copies. */
export interface Shop extends ServedOf {
  /** Host and port. */
  readonly host: string;
  readonly secure: boolean;
  /** Whether a repository has a tag. */
  readonly has: (repository: string, tag: string) => boolean;
}

/** What the depot's page says of an item. */
export interface Offer {
  readonly title: string;
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly commands: readonly string[];
}

/** What takes room in a bundle. */
export interface Share {
  readonly what: string;
  readonly size: number;
  readonly blobs: readonly Digest[];
}

/** From the lock to the bundle. */
export interface KindInLock<F extends Forms> {
  /** The blobs that it needs, without those that {@link describe} makes. */
  blobs(item: F['locked']): readonly SizedBlob[];
  describe(item: F['locked']): Described;
  /** Its entry in `bundle.json`. @param manifest the digest of the manifest in {@link describe} */
  bundled(item: F['locked'], manifest: Digest, facts: BlobFacts): F['bundled'];
  /** @param leftOut paths that are not meant */
  subjects(item: F['locked'], leftOut?: ReadonlySet<string>): readonly Subject[];
  /** The address of what its publisher signed. */
  signedAddress(item: F['locked']): string;
  origins(item: F['locked']): Origins;
  billEntry(item: F['locked'], facts: BlobFacts): BillEntry;
  /** For the output of `stowage lock`. */
  lockLine(item: F['locked']): string;
}

/** At a site. */
export interface KindAtSite<F extends Forms> {
  layout(item: F['bundled']): readonly LaidOut[];
  served(item: F['bundled'], of: ServedOf): readonly Served[];
  /** Its manifests, as `bundle.json` describes them. */
  manifests(item: F['bundled']): readonly ManifestClaim[];
  /** For a kind that is served as repositories of the Hub and as images of models too. */
  hubModel?(item: F['bundled']): HubModel;
  /** Its registry and path for the naming rule of `stowage push`. */
  pushedAs(item: F['bundled']): { readonly registry: string; readonly path: string };
  /** Absent for a kind that the depot's page does not list. */
  offer?(item: F['bundled'], shop: Shop): Offer;
}

/** For people. */
export interface KindOnPage<F extends Forms> {
  /** With the name, as a heading: `Model chat`. */
  title(item: Item): string;
  /** For a kind whose publishers state a license. */
  license?(item: F['bundled']): string;
  /** What a blob is to the item; undefined for a blob of something else. */
  blobName(item: F['bundled'], digest: Digest): string | undefined;
  branch(item: F['bundled'], seen: Seen): Branch;
  sheet(item: F['bundled'], seen: Seen): Sheet;
  shares(items: readonly F['bundled'][], seen: Seen): readonly Share[];
  reported(item: F['bundled']): F['reported'];
  reportSheet(item: F['reported']): Sheet;
}

/** Between two bundles or two locks. */
export interface KindCompared<F extends Forms> {
  sideOfLocked(item: F['locked']): F['side'];
  sideOfBundled(item: F['bundled'], seen: Pick<Seen, 'bill'>): F['side'];
  summary(side: F['side']): F['summary'];
  /** Undefined where nothing changed. */
  change(from: F['side'], to: F['side']): F['change'] | undefined;
  summaryLine(summary: F['summary']): string;
  changeBranch(change: F['change'], of: 'bundle' | 'lock'): Branch;
}

/**
 * What one kind of content is to every document and command. Pure: it reads documents and gives documents. Where an
 * item comes from, and what is examined in it, stays in `build/` and `examine/`, which no site reaches.
 */
export interface ContentKind<F extends Forms = Forms>
  extends KindInLock<F>,
    KindAtSite<F>,
    KindOnPage<F>,
    KindCompared<F> {
  /** Its member in the manifest, the lock, `bundle.json`, a report and a comparison. */
  readonly section: string;
  /** Whether a registry wrote its manifests. Such a kind comes first in `index.json` and in the provenance. */
  readonly copied: boolean;
}
