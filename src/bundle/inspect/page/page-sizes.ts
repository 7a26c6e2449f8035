import { formatAmount, formatBytes } from '../../../core/amount.ts';
import { foreign, type Html, html } from '../../../core/html-text.ts';
import type { Inspection } from '../inspection.ts';

interface Share {
  readonly what: string;
  readonly size: number;
}

/** A table with a bar for each thing that takes room; the bars say nothing that the table does not. */
export function sizes(all: Inspection): Html {
  const shares = sharesOf(all);
  const most = Math.max(1, ...shares.map(({ size }) => size));
  const total = shares.reduce((sum, { size }) => sum + size, 0);
  const rows = shares.map(
    ({ what, size }) =>
      html`<tr><th scope="row">${foreign(what)}</th><td class="number">${foreign(formatBytes(size))}</td><td class="number">${foreign(percent(size, total))}</td><td class="bars">${bar(size / most)}</td></tr>\n`,
  );
  return html`<table class="sizes">
<thead><tr><th scope="col">What</th><th scope="col" class="number">Size</th><th scope="col" class="number">Share</th><th scope="col"><span class="unheard">Bar</span></th></tr></thead>
<tbody>
${rows}<tr class="total"><th scope="row">All</th><td class="number">${foreign(formatBytes(total))}</td><td class="number">100 %</td><td></td></tr>
</tbody></table>\n`;
}

function sharesOf({ looked: { bundle }, platforms }: Inspection): Share[] {
  const sum = (list: readonly { readonly size: number }[]): number =>
    list.reduce((total, each) => total + each.size, 0);
  const layers = new Map(
    platforms.flatMap(({ layers: own = [] }) => own.map((each) => [each.digest, each] as const)),
  );
  const models = bundle.models.map(({ name, files }) => ({
    what: `Model ${name}`,
    size: sum(files),
  }));
  const images = bundle.images.map(({ name }) => {
    const own = platforms.filter(({ image }) => image === name);
    const blobs = new Map(own.flatMap((each) => (each.layers ?? []).map((l) => [l.digest, l])));
    return { what: `Image ${name}, its layers`, size: sum([...blobs.values()]) };
  });
  const modelFiles = new Set(
    bundle.models.flatMap(({ files }) => files.map((file) => file.digest)),
  );
  const treeFiles = new Set(bundle.files.map(({ digest }) => digest));
  const rest = bundle.blobs.filter(
    ({ digest }) => !modelFiles.has(digest) && !treeFiles.has(digest) && !layers.has(digest),
  );
  const parity = bundle.parity?.rows.flat() ?? [];
  const installers = bundle.installers ?? [];
  return [
    ...models,
    ...images,
    { what: 'Files', size: sum(bundle.files) },
    { what: 'Manifests and settings of images', size: sum(rest) },
    { what: formatAmount(installers.length, 'installer'), size: sum(installers) },
    { what: formatAmount(parity.length, 'recovery part'), size: sum(parity) },
    { what: 'Lists and attestations', size: sum(bundle.control) },
  ].filter(({ size }) => size > 0);
}

function percent(size: number, total: number): string {
  const value = (100 * size) / Math.max(1, total);
  return value > 0 && value < 0.1 ? 'under 0.1 %' : `${value.toFixed(1)} %`;
}

function bar(share: number): Html {
  const width = Math.max(0.4, 100 * share).toFixed(1);
  return html`<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false"><rect width="${foreignNumber(width)}" height="8"></rect></svg>`;
}

/** Digits that we wrote. */
function foreignNumber(digits: string): Html {
  return digits as Html;
}
