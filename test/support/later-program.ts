// Loaded before the program (`--import`): makes it the program of a later version, in which every document is one version
// newer, and which converts those of today's.
import { registerHooks } from 'node:module';

const SOURCE = /\/src\/[a-z/-]+\.ts$/;
const FORMAT = /\/src\/format\/([a-z-]+)\.ts$/;
/** What is loaded under such an address is today's. */
const TODAY = '?today';
const VERSION = /(['`]stowage\/(?:[a-z-]+\/)?v)([0-9]+)\b/g;
const KIND = /export const (\w+Kind): DocumentKind<\w+> = \{\n {2}name: .*\n {2}versionIn/g;

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    const today = context.parentURL?.endsWith(TODAY) === true && FORMAT.test(found.url);
    return today ? { ...found, url: `${found.url}${TODAY}` } : found;
  },
  load(url, context, next) {
    const loaded = next(url, context);
    if (!SOURCE.test(url)) return loaded;
    const text = String(loaded.source);
    return { ...loaded, source: later(text, FORMAT.exec(url)?.[1]) };
  },
});

function later(text: string, format: string | undefined): string {
  const newer = text
    .replaceAll(VERSION, (_, named: string, version: string) => `${named}${Number(version) + 1}`)
    // What has no version in its first form gets one as it is written.
    .replace(
      /export function writeCanonical<T>\(.*\{\n/,
      (head) => `${head}  document = kind.stamp?.(document) ?? document;\n`,
    );
  const kinds = [...text.matchAll(KIND)].map(([, name]) => name);
  const versioned = text.match(/^ {2}versionIn: (?:schema|api)/gm)?.length ?? 0;
  if (kinds.length !== versioned) throw new Error(`${format}.ts has kinds that were not found`);
  if (format === undefined || kinds.length === 0) return newer;
  const helper = new URL('./later-version.ts', import.meta.url).href;
  return [
    newer,
    `import * as today from './${format}.ts${TODAY}';`,
    `import { makeLater } from '${helper}';`,
    ...kinds.map((name) => `makeLater(${name}, today.${name});`),
  ].join('\n');
}
