import type { Digest } from '../core/digest.ts';
import type { Json } from '../core/json.ts';
import type { BundleModel } from '../format/bundled-content.ts';
import type { LockedAttachment, LockedBlob } from '../format/locked-content.ts';
import type { Optional } from '../format/optional.ts';
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
  /** The verdict on the publisher's signature, if the manifest requires one. */
  readonly signature?: SignatureVerdict;
}

/** An item in the manifest. */
export interface WantedItem extends Optional {
  readonly name: string;
  /** The required signature of its publisher. */
  readonly signature?: SignatureRequirement | ModelSignatureRequirement;
}

/** An item in a comparison. */
export interface ComparedItem extends Item {
  /** Absent if the item has no packages, or if the SBOM cannot be read. */
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
  readonly compared: ComparedItem;
  /** In a comparison, if only one side has the item. */
  readonly summary: object;
  readonly change: NamedChange;
}

/** A subject of an in-toto statement. */
export interface Subject {
  readonly name: string;
  readonly digest: Digest;
}

/** Where an item comes from, as in-toto resource descriptors. */
export interface Origins {
  readonly own: Json;
  /** Sources that it includes, such as git submodules. */
  readonly included: readonly Json[];
}

/** A path in the layout of a release: a hard link to a blob, or the folder into which a tar is unpacked. */
export interface LaidOut {
  readonly path: string;
  readonly digest: Digest;
  readonly unpack: boolean;
}

/** The release that a served item belongs to. */
export interface ServedRelease {
  readonly release: string;
  /** The release's version as a tag. */
  readonly tag: string;
}

/** A repository in the depot that serves an item. */
export interface Served {
  readonly repository: string;
  readonly tags: Readonly<Record<string, Digest>>;
  /** What the tags refer to, if its media type is known: an index, of which the bundle may not include every manifest. */
  readonly target?: LockedBlob;
  /** The manifests, whose config and layers are served too. */
  readonly manifests: readonly Digest[];
  /** For an index: the included platforms, in the form `linux/amd64`, and their manifests. */
  readonly platforms?: readonly { readonly platform: string; readonly manifest: Digest }[];
  readonly attached?: readonly LockedAttachment[];
  /** The repository from which it was copied. */
  readonly upstream?: { readonly registry: string; readonly path: string };
}

/** The names of an item for `stowage push`. */
export interface PushedAs {
  readonly registry: string;
  readonly path: string;
  /** Its repository below that of the release; the name of the item if absent. */
  readonly name?: string;
}

/** What `bundle.json` states about a manifest in the bundle. */
export interface ManifestClaim {
  /** Such as `the manifest of model chat`. */
  readonly what: string;
  readonly digest: Digest;
  /** For an index: the manifests that it lists. Absent for a manifest. */
  readonly lists?: readonly Digest[];
  readonly config?: Digest;
  /** All layers, in any order. */
  readonly layers?: readonly Digest[];
  /** Whether the bundle must contain its config and layers. */
  readonly complete: boolean;
}

/** A model for the depot's Hub endpoint and its model images. */
export type HubModel = BundleModel;

/** The address of the depot and the release, for the commands on the depot's page. */
export interface DepotAddress extends ServedRelease {
  /** Host and port. */
  readonly host: string;
  readonly secure: boolean;
  /** Whether a repository has a tag. */
  readonly has: (repository: string, tag: string) => boolean;
}

/** An item on the depot's page. */
export interface Offer {
  readonly title: string;
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly commands: readonly string[];
  readonly files?: readonly { readonly path: string; readonly size: number }[];
}

/** Blobs that share a line in the size summary of a bundle. */
export interface Share {
  readonly what: string;
  readonly size: number;
  readonly blobs: readonly Digest[];
}

/** From the lock to the bundle. */
export interface KindInLock<F extends Forms> {
  /** The blobs that it needs, except those that {@link describe} generates. */
  blobs(item: F['locked']): readonly SizedBlob[];
  describe(item: F['locked']): Described;
  /** Its entry in `bundle.json`. @param manifest the digest of the manifest in {@link describe} */
  bundled(item: F['locked'], manifest: Digest, facts: BlobFacts): F['bundled'];
  /** @param leftOut paths of files to omit */
  subjects(item: F['locked'], leftOut?: ReadonlySet<string>): readonly Subject[];
  /** The address of the content that its publisher signed. */
  signedAddress(item: F['locked']): string;
  origins(item: F['locked']): Origins;
  billEntry(item: F['locked'], facts: BlobFacts): BillEntry;
  /** For the output of `stowage lock`. */
  lockLine(item: F['locked']): string;
}

/** At a site. */
export interface KindAtSite<F extends Forms> {
  layout(item: F['bundled']): readonly LaidOut[];
  served(item: F['bundled'], of: ServedRelease): readonly Served[];
  /** Its manifests, as `bundle.json` describes them. */
  manifests(item: F['bundled']): readonly ManifestClaim[];
  /** For a kind that is also served through the Hub API and as model images. */
  hubModel?(item: F['bundled']): HubModel;
  /** Its registry and path for the naming rule of `stowage push`. */
  pushedAs(item: F['bundled']): PushedAs;
  /** Absent for a kind that the depot's page does not list. */
  offer?(item: F['bundled'], depot: DepotAddress): Offer;
}

/** For people. */
export interface KindOnPage<F extends Forms> {
  /** A heading with the name, such as `Model chat`. */
  title(item: Item): string;
  /** For a kind whose publishers state a license. */
  license?(item: F['bundled']): string;
  /** The role of a blob in the item; undefined if the item does not use the blob. */
  blobName(item: F['bundled'], digest: Digest): string | undefined;
  branch(item: F['bundled'], seen: Seen): Branch;
  sheet(item: F['bundled'], seen: Seen): Sheet;
  shares(items: readonly F['bundled'][], seen: Seen): readonly Share[];
  reported(item: F['bundled']): F['reported'];
  reportSheet(item: F['reported']): Sheet;
}

/** In a comparison of two bundles or locks. */
export interface KindCompared<F extends Forms> {
  comparedFromLock(item: F['locked']): F['compared'];
  comparedFromBundle(item: F['bundled'], seen: Pick<Seen, 'bill' | 'objects'>): F['compared'];
  summary(compared: F['compared']): F['summary'];
  /** Undefined if nothing changed. */
  change(from: F['compared'], to: F['compared']): F['change'] | undefined;
  summaryLine(summary: F['summary']): string;
  changeBranch(change: F['change'], of: 'bundle' | 'lock'): Branch;
}

/**
 * How every document and command treats one kind of content. Pure: documents in, documents out. How an item is
 * downloaded and examined is the task of `build/` and `examine/`, which do not run at sites.
 */
export interface ContentKind<F extends Forms = Forms>
  extends KindInLock<F>,
    KindAtSite<F>,
    KindOnPage<F>,
    KindCompared<F> {
  /** Its member in the manifest, the lock, `bundle.json`, a report and a comparison. */
  readonly section: string;
  /** Whether its manifests are copied from a registry. Such a kind comes first in `index.json` and in the provenance. */
  readonly copied: boolean;
  /** Whether documents without such an item have no section for it, so that older programs can read them. */
  readonly optional?: true;
}
