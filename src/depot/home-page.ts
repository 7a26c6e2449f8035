import { createHash } from 'node:crypto';
import type { DepotAddress, Offer } from '../content/content-kind.ts';
import { fromBundle } from '../content/items.ts';
import { foreign, type Html, html } from '../core/html-text.ts';
import { formatAmount, formatBytes } from '../core/text.ts';
import type { Catalog, CatalogRelease, Installed } from './catalog.ts';
import type { Handler } from './handler.ts';
import { sendBytes, sendJson } from './send.ts';

/** The style sheet of the depot's page, which the Content-Security-Policy allows by its hash. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; }
h2 { margin: 2rem 0 0; font-size: 1.3rem; }
h3 { margin: 0 0 .5rem; font-size: 1rem; }
header p, .about { margin: .2rem 0; }
.facts { margin: .2rem 0 1rem; opacity: .75; font-size: .9rem; }
article { border: 1px solid var(--line); border-radius: .5rem; margin: .75rem 0; padding: .75rem 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0 0 .75rem; font-size: .9rem; }
dt { opacity: .75; }
dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--soft); border-radius: .3rem; margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; padding: .6rem .8rem; font-size: .85rem; }
nav ul { border-bottom: 1px solid var(--line); border-top: 1px solid var(--line); display: flex; flex-wrap: wrap; gap: .3rem 1.5rem; list-style: none; margin: 1rem 0; padding: .6rem 0; font-size: .9rem; }
table { border-collapse: collapse; font-size: .9rem; width: 100%; }
th, td { border-bottom: 1px solid var(--line); overflow-wrap: anywhere; padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top; }
.number { text-align: right; white-space: nowrap; }
details { font-size: .9rem; margin-top: .6rem; }
summary { cursor: pointer; }
.unseen { border: 1px solid currentcolor; font-size: .75em; padding: 0 .2em; margin: 0 .1em; }
`;

const STYLE_HASH = createHash('sha256').update(PAGE_STYLE).digest('base64');

const HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-cache',
} as const;

/** `GET /`: an index, what is installed here, and the contents of the depot with the commands that download them. No scripts, cookies or external resources. */
export function homePage(catalog: Catalog): Handler {
  return async (request, response) => {
    if (request.path !== '/') return false;
    if (request.method !== 'GET' && request.method !== 'HEAD')
      sendJson({ request, response }, 405, { error: 'read-only' }, { Allow: 'GET, HEAD' });
    else {
      const secure = 'encrypted' in request.message.socket;
      const host = safeHost(request.message.headers.host);
      const installed = await catalog.installed?.();
      const page = render({ catalog, installed, host, secure });
      sendBytes({ request, response }, 200, Buffer.from(page, 'utf8'), HEADERS);
    }
    return true;
  };
}

/** The Host header, which appears in commands: replaced unless it is a plain name or address with a port. */
function safeHost(header: string | undefined): string {
  return header !== undefined && /^[A-Za-z0-9.[\]:-]{1,255}$/.test(header) ? header : 'DEPOT';
}

interface PageInput {
  readonly catalog: Catalog;
  readonly installed: Installed | undefined;
  readonly host: string;
  readonly secure: boolean;
}

function render({ catalog, installed, host, secure }: PageInput): string {
  const releases = catalog.releases().toReversed();
  const has: DepotAddress['has'] = (repository, tag) =>
    catalog.repositories().some((each) => each.repository === repository && tag in each.tags);
  const body =
    releases.length === 0
      ? html`<p>No bundles have been imported. Use <code>stowage import</code> to import one.</p>`
      : html`${releases.map((each) => section(each, installed, { host, secure, has }))}`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Stowage depot</title>
<style>${PAGE_STYLE as Html}</style>
</head>
<body>
<header><h1>Stowage depot</h1><p>Models and images of this site, and the commands that download them from <code>${foreign(host)}</code>.</p></header>
${index(releases, installed)}
<main>${running(releases, installed)}${body}</main>
</body>
</html>
`;
}

/** Links to the parts of the page. */
function index(releases: readonly CatalogRelease[], installed: Installed | undefined): Html {
  if (releases.length === 0) return html``;
  const lines = releases.map(
    ({ id, bundle }) =>
      html`<li><a href="#${anchorOf(id)}">${foreign(`${bundle.name} ${bundle.version}`)}</a> ${foreign(stateOf(id, installed))}</li>\n`,
  );
  return html`<nav aria-label="Contents"><ul>
<li><a href="#running">Installed here</a></li>
${lines}</ul></nav>`;
}

/** The anchor of a release, for attributes: its id is the digest that this site computed. */
function anchorOf(id: string): Html {
  return `r${id.replace(/[^0-9a-f]/g, '').slice(0, 16)}` as Html;
}

function stateOf(id: string, installed: Installed | undefined): string {
  if (installed === undefined) return '';
  return installed.releases.has(id) ? 'installed' : 'imported, not installed';
}

/** What the current generation of the site consists of. */
function running(releases: readonly CatalogRelease[], installed: Installed | undefined): Html {
  if (installed === undefined) return html``;
  const rows = releases.flatMap(({ id, bundle }) => {
    const services = installed.releases.get(id);
    if (services === undefined) return [];
    const name = html`<a href="#${anchorOf(id)}">${foreign(`${bundle.name} ${bundle.version}`)}</a>`;
    if (services.length === 0)
      return [html`<tr><td>${name}</td><td>no services</td><td></td></tr>\n`];
    return services.map(
      ({ name: service, addresses }) =>
        html`<tr><td>${name}</td><td>${foreign(service)}</td><td><code>${foreign(addresses.join(', '))}</code></td></tr>\n`,
    );
  });
  const head = html`<h2 id="running">Installed here</h2>`;
  if (rows.length === 0)
    return html`<section>${head}<p>No release of this depot is installed.</p></section>\n`;
  return html`<section>${head}
<p class="facts">${foreign(`generation ${installed.generation}`)}; <code>stowage status</code> checks whether the services work</p>
<table><thead><tr><th scope="col">Release</th><th scope="col">Service</th><th scope="col">Address</th></tr></thead>
<tbody>${rows}</tbody></table></section>\n`;
}

function section(
  { id, bundle }: CatalogRelease,
  installed: Installed | undefined,
  here: Pick<DepotAddress, 'host' | 'secure' | 'has'>,
): Html {
  const depot = { ...here, release: bundle.name, tag: bundle.version };
  const offers = fromBundle(bundle, (kind, each) => kind.offer?.(each, depot) ?? []);
  const { channel, seq, resolvedAt } = bundle;
  const state = stateOf(id, installed);
  return html`<section>
<h2 id="${anchorOf(id)}">${foreign(`${bundle.name} ${bundle.version}`)}</h2>
<p class="about">${foreign(bundle.description)}</p>
<p class="facts">${foreign(`channel ${channel} · sequence ${seq} · resolved ${resolvedAt}${state === '' ? '' : ` · ${state}`}`)} · bundle <code>${foreign(id.slice(0, 16))}</code></p>
${offers.map(item)}
</section>`;
}

/** More rows would make the page slow; the Hub lists every file. */
const MAX_FILES = 500;

function item({ title, facts, commands, files = [] }: Offer): Html {
  const list = facts.map(
    ([name, value]) => html`<dt>${foreign(name)}</dt><dd>${foreign(value)}</dd>`,
  );
  const lines = commands.map((each) => html`${foreign(each)}\n`);
  return html`<article><h3>${foreign(title)}</h3><dl>${list}</dl><pre>${lines}</pre>${fileList(files)}</article>`;
}

function fileList(files: NonNullable<Offer['files']>): Html {
  if (files.length === 0) return html``;
  const rows = files
    .slice(0, MAX_FILES)
    .map(
      ({ path, size }) =>
        html`<tr><td><code>${foreign(path)}</code></td><td class="number">${foreign(formatBytes(size))}</td></tr>\n`,
    );
  const rest = files.length - rows.length;
  const more =
    rest === 0 ? html`` : html`<p>${foreign(formatAmount(rest, 'further file'))} not shown</p>`;
  return html`<details><summary>${foreign(formatAmount(files.length, 'file'))}</summary><table><tbody>
${rows}</tbody></table>${more}</details>`;
}
