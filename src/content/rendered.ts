import { fieldsOf } from '../core/json.ts';
import { formatBytes } from '../core/text.ts';
import type { LockedBlob } from '../format/locked-content.ts';
import type { Sized } from '../format/rendered-content.ts';
import { powersOf, type RenderedObject, type RenderedObjects } from '../format/rendered-objects.ts';
import { type Described, describeArtifact, TITLE } from './artifact.ts';
import { type Branch, differenceBranches, namedChangeBranch } from './branches.ts';
import {
  byKey,
  byPresence,
  changesBetween,
  changesOf,
  isNothing,
  type Named,
  type NamedChange,
} from './changes.ts';
import type { ComparedItem } from './content-kind.ts';
import type { Seen } from './seen.ts';
import type { Fact, Sheet } from './sheet.ts';

export const OBJECTS_TYPE = 'application/vnd.stowage.objects.v1+json';

/** The artifact of rendered objects. @param subject the chart that they were rendered from */
export function describeRendered({ digest, size }: Sized, subject?: LockedBlob): Described {
  return describeArtifact({
    artifactType: OBJECTS_TYPE,
    configType: 'application/vnd.oci.empty.v1+json',
    config: {},
    layers: [{ digest, size, mediaType: OBJECTS_TYPE, annotations: { [TITLE]: 'objects.json' } }],
    ...(subject === undefined ? {} : { subject }),
  });
}

/** The program that rendered the objects, and the files that it read, as in-toto resource descriptors. */
export function renderingOrigins(item: {
  readonly renderedBy: string;
  readonly inputs?: readonly { readonly path: string; readonly digest: Sized['digest'] }[];
}): { uri: string; digest?: { sha256: string } }[] {
  const { renderedBy, inputs = [] } = item;
  return [
    { uri: `pkg:generic/${renderedBy.replace(' ', '@')}` },
    ...inputs.map(({ path, digest }) => ({
      uri: path,
      digest: { sha256: digest.slice('sha256:'.length) },
    })),
  ];
}

/** What the objects of an item may do: what the bundle states and, if they could be read, what the objects themselves show. */
export function powersShown(
  { objects, powers }: { readonly objects: Sized; readonly powers: readonly string[] },
  { objects: read }: Pick<Seen, 'objects'>,
): readonly string[] {
  const document = read?.get(objects.digest);
  if (read === undefined || document === undefined) return powers;
  const all = [...read.values()].flatMap((each) => each.objects.map(({ object }) => object));
  const own = document.objects.map(({ object }) => object);
  return [...new Set([...powers, ...powersOf(own, all)])].toSorted();
}

/** What the first word of a power stands for. */
const POWER_GROUPS: Readonly<Record<string, string>> = {
  cluster: 'objects of the whole cluster',
  pod: 'pods that are not confined',
  rights: 'rights that it grants',
  webhook: 'webhooks that it installs',
};

/** The powers as lines of a tree, in groups with their numbers; one line says that there are none. */
export function powerBranches(powers: readonly string[]): Branch[] {
  if (powers.length === 0) return [{ text: 'powers: none beyond its namespace' }];
  const groups = Map.groupBy(powers, (each) => each.slice(0, each.indexOf(': ')));
  const below = [...groups].map(([name, list]) => ({
    text: `${POWER_GROUPS[name] ?? name}: ${list.length}`,
    below: list.map((each) => ({ text: each.slice(name.length + 2) })),
  }));
  return [{ text: 'powers', below }];
}

/** The powers as a table: what kind, and what they are. */
export function powersTable(powers: readonly string[]): Pick<Sheet, 'table' | 'remark'> {
  if (powers.length === 0)
    return { remark: 'Its objects have no powers beyond the namespace of the release.' };
  const rows = powers.map((each): [string, string] => {
    const colon = each.indexOf(': ');
    return [each.slice(0, colon), each.slice(colon + 2)];
  });
  return { table: { headers: ['Power', 'What the objects may do'], rows } };
}

export function renderedFacts(item: {
  readonly renderedBy: string;
  readonly size: number;
}): Fact[] {
  return [
    ['Rendered by', item.renderedBy],
    ['Rendered objects', formatBytes(item.size)],
  ];
}

/** Rendered objects in a comparison. */
export interface ComparedRendering extends ComparedItem {
  readonly source: string;
  readonly renderedBy: string;
  readonly digest: Sized['digest'];
  readonly powers: readonly string[];
  /** Absent if they could not be read, and in a lock. */
  readonly rendered?: RenderedObjects;
}

export interface RenderingChange extends NamedChange {
  readonly powers: Named<string, never>;
  /** Absent where one side has no objects that can be read. */
  readonly objects?: Named<string, NamedChange>;
}

/** What changed; undefined if nothing did. @param members of both that are compared field by field */
export function renderingChange<C extends ComparedRendering>(
  from: C,
  to: C,
  members: (item: C) => object,
): RenderingChange | undefined {
  const powers = byPresence(from.powers, to.powers, (each) => each);
  const objects =
    from.rendered && to.rendered
      ? changesOfObjects(from.rendered.objects, to.rendered.objects)
      : undefined;
  const changes = changesBetween(members(from), members(to));
  const same = changes.length === 0 && from.digest === to.digest && isNothing(powers);
  if (same) return undefined;
  return { name: to.name, changes, powers, ...(objects === undefined ? {} : { objects }) };
}

function changesOfObjects(
  from: readonly RenderedObject[],
  to: readonly RenderedObject[],
): Named<string, NamedChange> {
  const compared = byKey(from, to, objectName, (a, b) =>
    changesOf(objectName(b), { ...a.object, hook: a.hook }, { ...b.object, hook: b.hook }),
  );
  return {
    ...compared,
    added: compared.added.map(objectName),
    removed: compared.removed.map(objectName),
  };
}

/** Kind, namespace and name: what the objects of one item are told apart by. */
export function objectName({ object }: Pick<RenderedObject, 'object'>): string {
  const { name, namespace } = fieldsOf(object['metadata']);
  const [group = '', version] = String(object['apiVersion']).split('/');
  const kind = `${String(object['kind'])}${version === undefined ? '' : `.${group}`}`;
  const within = namespace === undefined ? '' : `${String(namespace)}/`;
  return `${kind} ${within}${String(name)}`;
}

export function renderingChangeBranch(
  { powers, objects, ...change }: RenderingChange,
  of: 'bundle' | 'lock',
): Branch {
  const { text, below = [] } = namedChangeBranch(change);
  const never = (each: never): Branch => each;
  const gained = differenceBranches(powers, (each) => each, never);
  const list =
    objects === undefined ? [] : differenceBranches(objects, (each) => each, namedChangeBranch);
  const unread = 'objects: not compared, because those of one side cannot be read';
  return {
    text,
    below: [
      ...below,
      ...(gained.length === 0 ? [] : [{ text: 'powers', below: gained }]),
      ...(list.length === 0 ? [] : [{ text: 'objects', below: list }]),
      ...(objects === undefined && of === 'bundle' ? [{ text: unread }] : []),
    ],
  };
}
