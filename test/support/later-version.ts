import * as z from 'zod';
import { currentVersion, type DocumentKind, olderVersion } from '../../src/format/document.ts';

type Loose = { -readonly [K in keyof DocumentKind<unknown>]: DocumentKind<unknown>[K] } & {
  stamp?: (document: object) => object;
};

/** Gives a kind, whose schema is of the next version already, a way from today's version to it. */
export function makeLater(kind: Loose, today: DocumentKind<unknown>): void {
  const { member, prefix, namedSince } = today.versionIn ?? never();
  const named = { [member]: `${prefix}${currentVersion(today) + 1}` };
  const convert = (document: unknown): object => ({ ...(lifted(document) as object), ...named });
  const alike = Array.from({ length: (today.span ?? 1) - 1 }, () =>
    olderVersion(today.schema, (same) => same),
  );
  kind.older = [...(today.older ?? []), ...alike, olderVersion(today.schema, convert)];
  kind.span = 1;
  // The name stands in its schema, and is one version newer there.
  if (namedSince <= currentVersion(today)) return;
  kind.stamp = (document) => ({ ...document, ...named });
  kind.schema = z.custom((value) => {
    const { [member]: found, ...rest } = value as Record<string, unknown>;
    return found === named[member] && today.schema.safeParse(rest).success;
  });
}

/** Documents within documents go along. */
function lifted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(lifted);
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => {
      const version = (name === 'schema' || name === 'apiVersion') && typeof each === 'string';
      return [
        name,
        version ? each.replace(/^(stowage\/(?:[a-z-]+\/)?v)([0-9]+)$/, next) : lifted(each),
      ];
    }),
  );
}

function next(_: string, named: string, version: string): string {
  return `${named}${Number(version) + 1}`;
}

function never(): never {
  throw new Error('a kind without versions');
}
