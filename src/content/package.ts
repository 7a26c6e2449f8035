import { oneLine } from '../core/text.ts';

/** A package that a package manager or a build installed in an image. */
export interface Package {
  readonly type: 'deb' | 'apk' | 'rpm' | 'pypi' | 'npm' | 'golang' | 'maven' | 'gem';
  /** An npm scope, Maven group or Go module path. For packages of a distribution it is absent: the distribution is used. */
  readonly namespace?: string;
  readonly name: string;
  readonly version: string;
  readonly arch?: string;
  readonly epoch?: string;
  /**
   * What a package of a distribution was built from, under another name: `openssl`, `gcc@12.2` or `openssl-3.0-1.src.rpm`.
   * Distributions publish vulnerabilities under this name.
   */
  readonly upstream?: string;
  /** As stated in the package's metadata. */
  readonly license?: string;
}

/** The operating system of an image, from its `os-release` file. */
export interface OperatingSystem {
  readonly id: string;
  readonly version?: string;
  readonly name: string;
}

const OF_DISTRIBUTIONS: Readonly<Record<string, string>> = {
  deb: 'debian',
  apk: 'alpine',
  rpm: 'redhat',
};
const MAX_CHARACTERS = 256;

/** The package's URL (purl-spec), by which scanners and advisories identify it. */
export function packageUrl(each: Package, os: OperatingSystem | undefined): string {
  const usual = OF_DISTRIBUTIONS[each.type];
  const namespace = each.namespace ?? (usual === undefined ? undefined : (os?.id ?? usual));
  const lower = ['golang', 'pypi', 'deb', 'apk', 'rpm'].includes(each.type);
  const fold = (text: string): string => (lower ? text.toLowerCase() : text);
  const named = each.type === 'pypi' ? each.name.replaceAll('_', '-') : each.name;
  const path = [...(namespace?.split('/') ?? []), ...named.split('/')].filter(Boolean);
  const qualifiers = {
    arch: each.arch,
    distro: usual === undefined || os?.version === undefined ? undefined : `${os.id}-${os.version}`,
    epoch: each.epoch,
    upstream: each.upstream,
  };
  const query = Object.entries(qualifiers).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${encode(value)}`],
  );
  const address = `pkg:${each.type}/${path.map((part) => encode(fold(part))).join('/')}@${encode(each.version)}`;
  return query.length === 0 ? address : `${address}?${query.join('&')}`;
}

/** A package with its fields cleaned by {@link word}; undefined without a name or a version. */
export function packageOf(each: {
  readonly type: Package['type'];
  readonly name: string | undefined;
  readonly version: string | undefined;
  readonly namespace?: string | undefined;
  readonly arch?: string | undefined;
  readonly epoch?: string | undefined;
  readonly upstream?: string | undefined;
  readonly license?: string | undefined;
}): Package | undefined {
  const [name, version] = [word(each.name), word(each.version)];
  if (name === undefined || version === undefined) return undefined;
  const found: { -readonly [K in keyof Package]: Package[K] } = { type: each.type, name, version };
  for (const key of ['namespace', 'arch', 'epoch', 'upstream', 'license'] as const) {
    const value = word(each[key]);
    if (value !== undefined) found[key] = value;
  }
  return found;
}

/** The text as one printable line; undefined if it is empty or longer than {@link MAX_CHARACTERS}. */
export function word(text: string | undefined): string | undefined {
  const line = oneLine(text ?? '', MAX_CHARACTERS + 1);
  return line === '' || line.length > MAX_CHARACTERS ? undefined : line;
}

function encode(text: string): string {
  return encodeURIComponent(text)
    .replaceAll('%3A', ':')
    .replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
}
