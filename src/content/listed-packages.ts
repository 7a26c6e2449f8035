import { changesBetween, type Named } from './changes.ts';

/** A package of an image, as listed in the SBOM of the bundle. */
export interface ListedPackage {
  /** Its ecosystem, such as `deb`. */
  readonly type: string;
  /** With its namespace, such as `debian/openssl`. */
  readonly name: string;
  readonly version: string;
  readonly license?: string;
}

/** What the SBOM states about one image. */
export interface ListedImage {
  readonly image: string;
  /** Such as `Debian GNU/Linux 12 (bookworm)`. */
  readonly system?: string;
  readonly packages: readonly ListedPackage[];
  /** What could not be read. */
  readonly unread: readonly string[];
}

export interface PackageChange {
  readonly type: string;
  readonly name: string;
  readonly from: readonly string[];
  readonly to: readonly string[];
}

/** What changed between two lists, by type and name; a package may have several versions. */
export function diffPackages(
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
