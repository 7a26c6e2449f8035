import { fieldsOf, type Json, textOf } from '../../core/json.ts';
import type { ImageField } from '../../format/cluster-content.ts';
import { type ObjectPath, walk } from '../../format/rendered-objects.ts';

/** Where the image of an object is: one text, or several texts that an operator joins. */
export interface ImagePlace {
  /** A full reference; for an operator's parts, what it makes of them. */
  readonly reference: string;
  readonly parts: readonly { readonly path: ObjectPath; readonly part: ImagePart }[];
}

/** The whole reference, or what operators ask for instead. */
export type ImagePart = 'reference' | 'repository' | 'name' | 'version';

/**
 * Fields of operators' resources, after their documentation: the value is a reference, or an object with `repository`,
 * `image` or `name`, and `version` or `tag`.
 */
const KNOWN: readonly ImageField[] = [
  { group: 'nvidia.com', kind: 'ClusterPolicy', path: 'spec.*' },
  { group: 'nvidia.com', kind: 'ClusterPolicy', path: 'spec.*.*' },
  { group: 'nvidia.com', kind: 'NVIDIADriver', path: 'spec' },
  ...[
    'NIMService',
    'NemoCustomizer',
    'NemoDatastore',
    'NemoEntitystore',
    'NemoEvaluator',
    'NemoGuardrail',
  ].map((kind): ImageField => ({ group: 'apps.nvidia.com', kind, path: 'spec.image' })),
  { group: 'apps.nvidia.com', kind: 'NIMCache', path: 'spec.source.ngc.modelPuller' },
  { group: 'serving.kserve.io', kind: 'ClusterStorageContainer', path: 'spec.container.image' },
  { group: 'monitoring.coreos.com', kind: 'Prometheus', path: 'spec.image' },
  { group: 'monitoring.coreos.com', kind: 'Alertmanager', path: 'spec.image' },
];

const CONTAINERS: ReadonlySet<string> = new Set([
  'containers',
  'initContainers',
  'ephemeralContainers',
]);

/**
 * The images that an object runs: in pod templates wherever they are, in image volumes, and in the fields that operators
 * document or the manifest declares.
 */
export function imagesIn(
  object: { readonly [member: string]: Json },
  declared: readonly ImageField[],
): ImagePlace[] {
  const places: ImagePlace[] = [];
  const add = (path: ObjectPath, value: unknown): void => {
    const reference = textOf(value, 512);
    if (reference !== undefined && reference !== '')
      places.push({ reference, parts: [{ path, part: 'reference' }] });
  };
  walk(object, [], (value, path) => {
    const name = path.at(-2);
    const { image, reference } = fieldsOf(value);
    if (typeof path.at(-1) === 'number' && CONTAINERS.has(String(name)))
      add([...path, 'image'], image);
    if (path.at(-1) === 'image' && path.at(-3) === 'volumes')
      add([...path, 'reference'], reference);
  });
  const [group = ''] = String(object['apiVersion']).split('/');
  const fields = [...KNOWN, ...declared].filter(
    (each) => each.kind === object['kind'] && (each.group === undefined || each.group === group),
  );
  // A wildcard is for objects alone: other texts of an operator are no images.
  for (const { path } of fields)
    for (const found of valuesAt(object, path.split('.'), []))
      if (typeof found.value !== 'string' || !path.includes('*')) places.push(...placeOf(found));
  const unique = new Map(places.map((each) => [JSON.stringify(each.parts[0]?.path), each]));
  return [...unique.values()];
}

interface Found {
  readonly value: Json;
  readonly path: ObjectPath;
}

function placeOf({ value, path }: Found): ImagePlace[] {
  if (typeof value === 'string')
    return value === '' ? [] : [{ reference: value, parts: [{ path, part: 'reference' }] }];
  const fields = fieldsOf(value);
  const part = (names: readonly string[], as: ImagePart): ImagePlace['parts'] =>
    names.flatMap((name) =>
      textOf(fields[name], 512) ? [{ path: [...path, name], part: as }] : [],
    );
  const [repository] = part(['repository'], 'repository');
  const [name] = part(['image'], 'name');
  const [version] = part(['version', 'tag'], 'version');
  if (repository === undefined || version === undefined) return [];
  const text = (at: typeof repository | undefined): string =>
    at === undefined ? '' : String(fields[String(at.path.at(-1))]);
  const joined = name === undefined ? text(repository) : `${text(repository)}/${text(name)}`;
  const separator = text(version).startsWith('sha256:') ? '@' : ':';
  return [
    {
      reference: `${joined}${separator}${text(version)}`,
      parts: [
        // Without a name, the repository is the whole name.
        name === undefined ? { ...repository, part: 'name' } : repository,
        ...(name === undefined ? [] : [name]),
        version,
      ],
    },
  ];
}

function valuesAt(value: Json | undefined, names: readonly string[], path: ObjectPath): Found[] {
  const [first, ...rest] = names;
  if (value === undefined || value === null) return [];
  if (first === undefined) return [{ value, path }];
  if (typeof value !== 'object') return [];
  const entries: (readonly [string | number, Json | undefined])[] = Array.isArray(value)
    ? value.map((each: Json, index) => [index, each] as const)
    : Object.entries(value);
  return entries
    .filter(([name]) => first === '*' || String(name) === first)
    .flatMap(([name, each]) => valuesAt(each, rest, [...path, name]));
}

/** References of images in other texts: a registry with a dot or a port, a repository, and a tag or digest. */
const REFERENCE =
  /(?<![\w./@-])(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+(?::[0-9]{1,5})?|localhost:[0-9]{1,5})(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)+(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(?:@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})(?![\w/])/g;

/** Texts in which something looks like the reference of an image, at other places than those of {@link imagesIn}. */
export function hiddenReferences(
  object: { readonly [member: string]: Json },
  places: readonly ImagePlace[],
): { readonly path: ObjectPath; readonly references: readonly string[] }[] {
  const known = new Set(
    places.flatMap(({ parts }) => parts.map(({ path }) => JSON.stringify(path))),
  );
  const found: { path: ObjectPath; references: string[] }[] = [];
  walk(object, [], (value, path) => {
    if (typeof value !== 'string' || known.has(JSON.stringify(path))) return;
    const references = [...new Set([...value.matchAll(REFERENCE)].map(([each]) => each))];
    if (references.length > 0) found.push({ path, references });
  });
  return found;
}
