import { formatAmount, formatBytes } from '../../../core/amount.ts';
import { digestHex } from '../../../core/digest.ts';
import { foreign, type Html, html } from '../../../core/html-text.ts';
import type { Bundle, BundleFile, BundleImage, BundleModel } from '../../../format/bundle.ts';
import { type Cut, digest, facts, nothing, number, table } from '../../html/html-parts.ts';
import type { Inspection } from '../inspection.ts';
import type { ImagePlatform } from '../platforms.ts';

/** What is printed of long tables, which would fill a book. */
export const PRINTED: Cut = { rows: 200, elsewhere: 'stowage inspect --json has them all' };

/** Models, images and files with their digests, the attestations, installers and recovery parts. */
export function contents({ looked: { bundle }, platforms }: Inspection): Html {
  return html`${bundle.models.map(model)}${bundle.images.map((each) => image(each, platforms))}${bundle.files.map(file)}${others(bundle)}`;
}

function model(each: BundleModel): Html {
  const { name, repository, source, commit, license = 'not known', files, tags = [] } = each;
  return html`<h3>Model ${foreign(name)}</h3>
${facts([
  ['Repository', html`${foreign(repository)}`],
  ['Asked for as', html`${foreign(source)}`],
  ['Commit', digest(commit)],
  ['Licence', html`${foreign(license)}`],
  ['Filed under', tags.length === 0 ? undefined : html`${foreign(tags.join(', '))}`],
])}${table(
  ['File', 'Bytes', 'SHA-256'],
  files.map((one) => [html`${foreign(one.path)}`, bytes(one.size), digest(digestHex(one.digest))]),
  PRINTED,
)}`;
}

function image(each: BundleImage, platforms: readonly ImagePlatform[]): Html {
  const { name, source, repository, target, attached = [] } = each;
  const own = platforms.filter((platform) => platform.image === name);
  return html`<h3>Image ${foreign(name)}</h3>
${facts([
  ['Reference', html`${foreign(source)}`],
  ['Repository', html`${foreign(repository)}`],
  ['Digest, SHA-256', digest(digestHex(target.digest))],
  [
    'Beside it',
    attached.length === 0
      ? undefined
      : html`${foreign(attached.map(({ kind, artifactType }) => `${kind} ${artifactType}`).join(', '))}`,
  ],
])}${own.map(platformOf)}`;
}

function platformOf({ platform, manifest, layers }: ImagePlatform): Html {
  const head = html`<h4>${foreign(platform)}</h4>
${facts([['Manifest, SHA-256', digest(digestHex(manifest))]])}`;
  if (layers === undefined)
    return html`${head}<p>Its manifest is not here, or is not what the list names: no layer can be told.</p>\n`;
  return html`${head}${table(
    ['Layer', 'Bytes', 'SHA-256'],
    layers.map((each, index) => [
      html`${foreign(number(index + 1))}`,
      bytes(each.size),
      digest(digestHex(each.digest)),
    ]),
    PRINTED,
  )}`;
}

function file({ name, source, kind, path, size, digest: sum }: BundleFile): Html {
  return html`<div class="together"><h3>Files ${foreign(name)}</h3>
${facts([
  ['Source', html`${foreign(source)}`],
  [
    kind === 'tree' ? 'Folder, as one archive' : 'File',
    html`${foreign(`${path}, ${number(size)} bytes`)}`,
  ],
  ['SHA-256', digest(digestHex(sum))],
])}</div>\n`;
}

function others({ control, installers = [], parity, recalls = [] }: Bundle): Html {
  const lists = [...control, ...installers].map((each) => [
    html`${foreign(each.path)}`,
    bytes(each.size),
  ]);
  const parts = parity?.rows.flat() ?? [];
  const size = parts.reduce((sum, each) => sum + each.size, 0);
  return html`<h3>Lists, attestations and installers</h3>
${table(['File', 'Bytes'], lists, PRINTED)}${
  parity === undefined
    ? nothing
    : html`<h3>Recovery parts</h3>
<p>Any ${foreign(parity.rows.length)} of ${foreign(parity.columns.length + parity.rows.length)} ${foreign(parity.discs ? 'discs' : 'columns of parts')} may be lost: ${foreign(formatAmount(parts.length, 'part'))}, ${foreign(formatBytes(size))}.</p>\n`
}${
  recalls.length === 0
    ? nothing
    : html`<h3>Releases that it recalls</h3>
${table(
  ['Release', 'Versions', 'Reason'],
  recalls.map(({ release, versions, reason }) =>
    [release, versions, reason].map((each) => html`${foreign(each)}`),
  ),
  PRINTED,
)}`
}`;
}

function bytes(size: number): Html {
  return html`<span class="whole">${foreign(number(size))}</span>`;
}
