import { type OperatingSystem, type Package, packageOf, word } from '../../content/package.ts';

/** Package metadata in text files: dpkg, apk, Python, Ruby, npm, and os-release. */

/** `var/lib/dpkg/status`, or a file of `status.d` (deb822: RFC 822 fields, an empty line between packages). */
export function readDpkg(bytes: Buffer): Package[] {
  return blocks(bytes).flatMap((block) => {
    const field = fieldsOf(block, /^([A-Za-z0-9-]+): *(.*)$/);
    const status = field.get('status');
    if (status !== undefined && !/ installed$/.test(status)) return [];
    const [name, version, arch] = ['package', 'version', 'architecture'].map((key) =>
      field.get(key),
    );
    const upstream = sourceOf(field.get('source'), name);
    return present(packageOf({ type: 'deb', name, version, arch, upstream }));
  });
}

/** `Source: NAME` or `NAME (VERSION)` (deb-control(5)), unless it is the name of the package itself. */
function sourceOf(source: string | undefined, name: string | undefined): string | undefined {
  const [, own, version] = /^(\S+)(?:\s+\((\S+)\))?$/.exec(source?.trim() ?? '') ?? [];
  if (own === undefined || own === name) return undefined;
  return version === undefined ? own : `${own}@${version}`;
}

/** `lib/apk/db/installed` (apk-package(5): one letter, a colon). */
export function readApk(bytes: Buffer): Package[] {
  return blocks(bytes).flatMap((block) => {
    const field = fieldsOf(block, /^([A-Za-z]):(.*)$/, false);
    const [name, version, arch, license, origin] = ['P', 'V', 'A', 'L', 'o'].map((key) =>
      field.get(key),
    );
    const upstream = origin === name ? undefined : origin;
    return present(packageOf({ type: 'apk', name, version, arch, upstream, license }));
  });
}

/** `*.dist-info/METADATA` and `*.egg-info/PKG-INFO` (core metadata 2.4). */
export function readPython(bytes: Buffer): Package[] {
  const field = fieldsOf(blocks(bytes)[0] ?? '', /^([A-Za-z-]+): *(.*)$/);
  const license = field.get('license-expression') ?? field.get('license');
  return present(
    packageOf({
      type: 'pypi',
      name: field.get('name'),
      version: field.get('version'),
      license: license === 'UNKNOWN' ? undefined : license,
    }),
  );
}

/** os-release(5). */
export function readOsRelease(bytes: Buffer): OperatingSystem | undefined {
  const field = new Map<string, string>();
  for (const line of bytes.toString('utf8').split('\n')) {
    const [, key, , value] = /^([A-Z_]+)=(["']?)(.*)\2$/.exec(line.trim()) ?? [];
    if (key !== undefined && !field.has(key)) field.set(key, value ?? '');
  }
  const id = field.get('ID');
  if (id === undefined || !/^[a-z0-9._-]{1,64}$/.test(id)) return undefined;
  const version = word(field.get('VERSION_ID'));
  const name = word(field.get('PRETTY_NAME')) ?? id;
  return { id, name, ...(version === undefined ? {} : { version }) };
}

/** `specifications/NAME-VERSION.gemspec`: a Ruby program, of which only the assignments of name, version and license are read. */
export function readGemspec(bytes: Buffer): Package[] {
  const text = bytes.toString('utf8');
  const [, name] = /^\s*s\.name\s*=\s*["']([^"']+)["']/m.exec(text) ?? [];
  const [, version] = /^\s*s\.version\s*=\s*["']([^"']+)["']/m.exec(text) ?? [];
  const [, license] = /^\s*s\.licenses?\s*=\s*\[?\s*["']([^"']+)["']/m.exec(text) ?? [];
  return present(packageOf({ type: 'gem', name, version, license }));
}

/** A `package.json` below `node_modules`. */
export function readNpm(bytes: Buffer): Package[] {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    return [];
  }
  const { name, version, license } = (value ?? {}) as Record<string, unknown>;
  if (typeof name !== 'string' || typeof version !== 'string') return [];
  const [, scope, bare] = /^(@[^/]+)\/([^/]+)$/.exec(name) ?? [undefined, undefined, name];
  const said = typeof license === 'string' ? license : (license as { type?: unknown } | null)?.type;
  return present(
    packageOf({
      type: 'npm',
      namespace: scope,
      name: bare,
      version,
      license: typeof said === 'string' ? said : undefined,
    }),
  );
}

function blocks(bytes: Buffer): string[] {
  return bytes.toString('utf8').split(/\n(?:[ \t]*\r?\n)+/);
}

/** The first occurrence of each field; continuation lines are skipped. */
function fieldsOf(block: string, pattern: RegExp, fold = true): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const [, key, value] = pattern.exec(line.trimEnd()) ?? [];
    if (key === undefined) continue;
    const name = fold ? key.toLowerCase() : key;
    if (!fields.has(name)) fields.set(name, value ?? '');
  }
  return fields;
}

function present(each: Package | undefined): Package[] {
  return each === undefined ? [] : [each];
}
