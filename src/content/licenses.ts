import type { Json } from '../core/json.ts';
import { word } from './package.ts';

/** SPDX identifiers that are common among models and packages. Other licenses are recorded by name. */
const IDENTIFIERS: readonly string[] = [
  ...['0BSD', 'AFL-3.0', 'AGPL-3.0-only', 'AGPL-3.0-or-later', 'Apache-2.0', 'Artistic-2.0'],
  ...[
    'BlueOak-1.0.0',
    'BSD-2-Clause',
    'BSD-3-Clause',
    'BSL-1.0',
    'CC-BY-4.0',
    'CC-BY-NC-4.0',
    'CC-BY-NC-SA-4.0',
  ],
  ...['CC-BY-SA-4.0', 'CC0-1.0', 'curl', 'EPL-2.0', 'GFDL-1.3-or-later', 'GPL-2.0', 'GPL-2.0-only'],
  ...['GPL-2.0-or-later', 'GPL-3.0-only', 'GPL-3.0-or-later', 'HPND', 'ISC', 'LGPL-2.0-or-later'],
  ...['LGPL-2.1-only', 'LGPL-2.1-or-later', 'LGPL-3.0-only', 'LGPL-3.0-or-later', 'MIT', 'MIT-0'],
  ...['MPL-2.0', 'OFL-1.1', 'OpenSSL', 'PostgreSQL', 'PSF-2.0', 'Python-2.0', 'Ruby'],
  ...['Unicode-3.0', 'Unlicense', 'WTFPL', 'X11', 'Zlib', 'ZPL-2.1'],
];
const known: ReadonlyMap<string, string> = new Map(
  IDENTIFIERS.map((each) => [each.toLowerCase(), each]),
);

/** The `licenses` of a CycloneDX component: an SPDX identifier or expression where each part is known, a name otherwise. */
export function licensesOf(license: string | undefined): { licenses?: Json } {
  const text = word(license);
  if (text === undefined) return {};
  const id = known.get(text.toLowerCase());
  if (id !== undefined) return { licenses: [{ license: { id } }] };
  const parts = text.split(/( AND | OR |[()])/);
  const whole = parts.every(
    (part) => /^(?: AND | OR |[()]|\s*)$/.test(part) || known.has(part.trim().toLowerCase()),
  );
  if (whole && parts.length > 1 && balanced(text)) {
    const expression = parts.map((part) => known.get(part.trim().toLowerCase()) ?? part).join('');
    return { licenses: [{ expression }] };
  }
  return { licenses: [{ license: { name: text } }] };
}

function balanced(text: string): boolean {
  let depth = 0;
  for (const each of text) {
    depth += each === '(' ? 1 : each === ')' ? -1 : 0;
    if (depth < 0) return false;
  }
  return depth === 0;
}
