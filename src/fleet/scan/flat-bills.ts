import {
  canonicalBytes,
  type Fields,
  fieldsOf,
  type Json,
  listOf,
  parseJson,
  textOf,
} from '../../core/json.ts';

/** An SBOM without nesting, with packages of one operating system at most. */
export interface FlatBill {
  readonly bytes: Buffer;
  /** The image whose packages are in it, such as `image:server`; for all others, the release. */
  readonly about: string;
  /** The operating system in it, such as `debian 12`, if it has packages of one. */
  readonly system?: string;
  /** Whether it states the version of that system, without which no scanner looks at the packages. */
  readonly versioned: boolean;
}

const SYSTEM_PACKAGE = /^pkg:(deb|apk|rpm)\//;
/** What trivy calls otherwise than os-release(5) does. */
const families: ReadonlyMap<string, string> = new Map([
  ['almalinux', 'alma'],
  ['amzn', 'amazon'],
  ['mariner', 'cbl-mariner'],
  ['ol', 'oracle'],
  ['opensuse', 'opensuse-leap'],
  ['rhel', 'redhat'],
  ['sl-micro', 'slem'],
  ['sle-micro', 'slem'],
  ['sle-micro-rancher', 'slem'],
]);
/** The data of Red Hat, which count for other systems of this name, say nothing about it. */
const STREAM = /^CentOS Stream\b/;

/**
 * The SBOM of a bundle for trivy, which looks at the top level alone, and at one operating system: a document for each image with its
 * packages, and one for all others. References stay as they are.
 */
export function flatBills(bill: Buffer): FlatBill[] {
  const { components, metadata } = fieldsOf(parseJson(bill));
  const about = fieldsOf(fieldsOf(metadata)['component']);
  const top = listOf(components);
  const images = top.filter(({ type }) => type === 'container');
  const others = top.filter((each) => !images.includes(each));
  return [...images.map((each) => flatBill(each, [each])), flatBill(about, others)];
}

function flatBill(about: Fields, components: readonly Fields[]): FlatBill {
  const all = components.flatMap(within);
  const system = all.find(({ type }) => type === 'operating-system');
  const packages = all.filter(({ purl, type }) => purl !== undefined && type !== 'container');
  const ofSystem = packages.filter(({ purl }) => SYSTEM_PACKAGE.test(textOf(purl) ?? ''));
  // Trivy looks at packages of a system only if it knows the system, and fails where it has several kinds of them without one.
  const given =
    system === undefined ? packages.filter((each) => !ofSystem.includes(each)) : packages;
  const name = textOf(about['name']) ?? '';
  const document = {
    ...{ bomFormat: 'CycloneDX', specVersion: '1.6', version: 1 },
    metadata: { component: { type: 'application', 'bom-ref': 'scanned', name } },
    components: [...(system === undefined ? [] : [renamed(system)]), ...given.map(withSource)],
    dependencies:
      system === undefined
        ? []
        : [{ ref: system['bom-ref'], dependsOn: ofSystem.map((each) => each['bom-ref']) }],
  };
  const called = textOf(system?.['name']) ?? 'an unknown system';
  const version = textOf(system?.['version']);
  return {
    bytes: canonicalBytes(document as Json),
    about: textOf(about['bom-ref']) ?? name,
    ...(ofSystem.length === 0
      ? {}
      : { system: version === undefined ? called : `${called} ${version}` }),
    versioned: version !== undefined,
  };
}

/** A component and all in it, each without those in it. */
function within({ components, ...own }: Fields): Fields[] {
  return [own, ...listOf(components).flatMap(within)];
}

function renamed(system: Fields): Fields {
  const name = textOf(system['name']) ?? '';
  if (name === 'centos' && STREAM.test(textOf(system['description']) ?? ''))
    return { ...system, name: 'centos-stream' };
  return { ...system, name: families.get(name) ?? name };
}

/** Adds the source package, of which trivy does not read the package URL. */
function withSource(component: Fields): Fields {
  const source = sourceOf(textOf(component['purl']) ?? '');
  if (source === undefined) return component;
  const properties = Object.entries(source).map(([name, value]) => ({
    name: `aquasecurity:trivy:${name}`,
    value,
  }));
  return { ...component, properties: [...listOf(component['properties']), ...properties] };
}

function sourceOf(purl: string): Readonly<Record<string, string>> | undefined {
  const [, type] = SYSTEM_PACKAGE.exec(purl) ?? [];
  const query = new URLSearchParams(purl.slice(purl.indexOf('?') + 1));
  const upstream = query.get('upstream');
  if (type === undefined || upstream === null) return undefined;
  if (type === 'rpm') {
    const [, name] = /^(.+)-[^-]+-[^-]+\.rpm$/.exec(upstream) ?? [];
    return name === undefined ? undefined : { SrcName: name };
  }
  const [name = '', version] = upstream.split('@');
  return { SrcName: name, ...(version === undefined ? {} : { SrcVersion: version }) };
}
