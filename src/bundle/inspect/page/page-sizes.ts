import type { Share } from '../../../content/content-kind.ts';
import { itemsIn } from '../../../content/items.ts';
import { kinds } from '../../../content/kinds.ts';
import { foreign, type Html, html } from '../../../core/html-text.ts';
import { formatAmount, formatBytes } from '../../../core/text.ts';
import type { Inspection } from '../inspection.ts';

/** A table of sizes with a bar for each share; the bars show nothing that is not in the table. */
export function sizes(all: Inspection): Html {
  const shares = sharesOf(all);
  const most = Math.max(1, ...shares.map(({ size }) => size));
  const total = shares.reduce((sum, { size }) => sum + size, 0);
  const rows = shares.map(
    ({ what, size }) =>
      html`<tr><th scope="row">${foreign(what)}</th><td class="number">${foreign(formatBytes(size))}</td><td class="number">${foreign(percent(size, total))}</td><td class="bars">${bar(size / most)}</td></tr>\n`,
  );
  return html`<table class="sizes">
<thead><tr><th scope="col">Content</th><th scope="col" class="number">Size</th><th scope="col" class="number">Share</th><th scope="col"><span class="unheard">Bar</span></th></tr></thead>
<tbody>
${rows}<tr class="total"><th scope="row">Total</th><td class="number">${foreign(formatBytes(total))}</td><td class="number">100 %</td><td></td></tr>
</tbody></table>\n`;
}

function sharesOf(inspection: Inspection): Pick<Share, 'what' | 'size'>[] {
  const { bundle } = inspection.view;
  const sum = (list: readonly { readonly size: number }[]): number =>
    list.reduce((total, each) => total + each.size, 0);
  const contents = kinds.flatMap((kind) =>
    kind.shares(itemsIn<'bundled'>(bundle, kind), inspection),
  );
  const shared = new Set(contents.flatMap(({ blobs }) => blobs));
  const rest = bundle.blobs.filter(({ digest }) => !shared.has(digest));
  const parity = bundle.parity?.rows.flat() ?? [];
  const installers = bundle.installers ?? [];
  return [
    ...contents,
    { what: 'Image manifests and configs', size: sum(rest) },
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

/** Digits from this program. */
function foreignNumber(digits: string): Html {
  return digits as Html;
}
