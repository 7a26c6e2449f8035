import { createHash } from 'node:crypto';
import type { DepotAddress, Offer } from '../content/content-kind.ts';
import { fromBundle } from '../content/items.ts';
import { foreign, type Html, html } from '../core/html-text.ts';
import type { Bundle } from '../format/bundle.ts';
import type { Catalog } from './catalog.ts';
import type { Handler } from './handler.ts';
import { PAGE_STYLE } from './page-style.ts';
import { sendBytes, sendJson } from './send.ts';

const STYLE_HASH = createHash('sha256').update(PAGE_STYLE).digest('base64');

const HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-cache',
} as const;

/** `GET /`: lists the contents of the depot and how to download them. No scripts, cookies or external resources. */
export function homePage(catalog: Catalog): Handler {
  return async (request, response) => {
    if (request.path !== '/') return false;
    if (request.method !== 'GET' && request.method !== 'HEAD')
      sendJson({ request, response }, 405, { error: 'read-only' }, { Allow: 'GET, HEAD' });
    else {
      const secure = 'encrypted' in request.message.socket;
      const host = safeHost(request.message.headers.host);
      const page = render(catalog, host, secure);
      sendBytes({ request, response }, 200, Buffer.from(page, 'utf8'), HEADERS);
    }
    return true;
  };
}

/** The Host header, which appears in commands: replaced unless it is a plain name or address with a port. */
function safeHost(header: string | undefined): string {
  return header !== undefined && /^[A-Za-z0-9.[\]:-]{1,255}$/.test(header) ? header : 'DEPOT';
}

function render(catalog: Catalog, host: string, secure: boolean): string {
  const releases = catalog.releases().toReversed();
  const has: DepotAddress['has'] = (repository, tag) =>
    catalog.repositories().some((each) => each.repository === repository && tag in each.tags);
  const body =
    releases.length === 0
      ? html`<p>No bundles have been imported. Use <code>stowage import</code> to import one.</p>`
      : html`${releases.map(({ id, bundle }) => section(bundle, id, { host, secure, has }))}`;
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
<main>${body}</main>
</body>
</html>
`;
}

function section(
  bundle: Bundle,
  id: string,
  here: Pick<DepotAddress, 'host' | 'secure' | 'has'>,
): Html {
  const depot = { ...here, release: bundle.name, tag: bundle.version };
  const offers = fromBundle(bundle, (kind, each) => kind.offer?.(each, depot) ?? []);
  const { channel, seq, resolvedAt } = bundle;
  return html`<section>
<h2>${foreign(`${bundle.name} ${bundle.version}`)}</h2>
<p class="about">${foreign(bundle.description)}</p>
<p class="facts">${foreign(`channel ${channel} · sequence ${seq} · resolved ${resolvedAt}`)} · bundle <code>${foreign(id.slice(0, 16))}</code></p>
${offers.map(item)}
</section>`;
}

function item({ title, facts, commands }: Offer): Html {
  const list = facts.map(
    ([name, value]) => html`<dt>${foreign(name)}</dt><dd>${foreign(value)}</dd>`,
  );
  const lines = commands.map((each) => html`${foreign(each)}\n`);
  return html`<article><h3>${foreign(title)}</h3><dl>${list}</dl><pre>${lines}</pre></article>`;
}
