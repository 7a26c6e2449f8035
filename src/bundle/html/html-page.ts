import { createHash } from 'node:crypto';
import { type Html, html } from '../../core/html-text.ts';

/** The style sheet of all pages, for screens and A4 paper. It loads no font, image or other resource. */
const style = `
:root { color-scheme: light; --ink: #1b1b1b; --quiet: #505050; --rule: #b4b4b4; --good: #0b5d1e; --bad: #9b1313; --link: #14497a; }
* { box-sizing: border-box; }
html { background: #fff; color: var(--ink); }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1.5rem 3rem; font: 15px/1.45 system-ui, "Liberation Sans", Arial, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-bottom: .2rem; border-bottom: 2px solid var(--ink); }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
h4 { font-size: .95rem; margin: .9rem 0 .2rem; color: var(--quiet); }
p { margin: .4rem 0; max-width: 46rem; }
a { color: var(--link); }
a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; padding: .6rem 0; margin: 1rem 0 0; border-top: 1px solid var(--rule); border-bottom: 1px solid var(--rule); }
.lines { list-style: none; margin: 0; padding: 0; }
.unheard { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.sizes td, .sizes th { vertical-align: middle; }
.sizes .number { padding-right: 1.2rem; }
.sizes .bars { width: 45%; }
.sizes svg { display: block; width: 100%; height: .9rem; background: #eef1f4; }
.sizes rect { fill: var(--link); }
.total th, .total td { border-top: 2px solid var(--quiet); font-weight: 600; }
.verdict { border: 3px solid var(--bad); border-left-width: 1rem; padding: .8rem 1rem; margin-bottom: 1.2rem; }
.verdict p { max-width: none; }
.verdict strong { display: block; font-size: 1.5rem; line-height: 1.2; color: var(--bad); }
.passed { border-color: var(--good); }
.passed strong { color: var(--good); }
table { width: 100%; border-collapse: collapse; margin: .5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--rule); overflow-wrap: anywhere; }
th:last-child, td:last-child { padding-right: 0; }
thead th { border-bottom: 2px solid var(--quiet); }
th, .whole { white-space: nowrap; overflow-wrap: normal; }
.facts { table-layout: fixed; }
.facts th { width: 12.5rem; font-weight: 600; white-space: normal; overflow-wrap: normal; }
.plain { table-layout: fixed; }
.plain th { white-space: normal; width: 30%; }
.plain th:last-child { width: 70%; }
tbody .first { white-space: normal; overflow-wrap: anywhere; font-weight: 600; min-width: 6rem; }
tbody .words { overflow-wrap: normal; }
.number { white-space: nowrap; text-align: right; }
.outcome-passed { color: var(--good); font-weight: 600; }
.outcome-failed { color: var(--bad); font-weight: 700; }
.outcome-not-run { color: var(--quiet); font-style: italic; }
.digest, code { font: .92em/1.35 ui-monospace, "Liberation Mono", Consolas, monospace; }
.digest span { margin-right: .45em; }
.unseen { border: 1px solid var(--bad); color: var(--bad); font: .75em ui-monospace, "Liberation Mono", monospace; padding: 0 .2em; margin: 0 .1em; white-space: nowrap; }
.quiet { color: var(--quiet); }
pre { margin: .3rem 0; padding: .4rem .6rem; background: #f4f5f6; white-space: pre-wrap; overflow-wrap: anywhere; }
.hand { table-layout: fixed; }
.hand th { width: 12.5rem; height: 2.6rem; vertical-align: bottom; font-weight: 600; }
.box { display: inline-block; width: .9em; height: .9em; border: 1.5px solid var(--ink); margin-right: .6em; vertical-align: -.1em; }
.statements { list-style: none; padding: 0; margin: .5rem 0; }
.statements li { margin: .3rem 0; padding-left: 1.6em; text-indent: -1.6em; }
@media screen and (max-width: 40rem) {
  body { padding: 1rem .8rem 2rem; }
  h1, h2, h3, h4, p, li { overflow-wrap: anywhere; }
  .facts, .facts tbody, .facts tr, .facts th, .facts td, .rows, .rows tbody, .rows tr, .rows th, .rows td, .plain, .plain tbody, .plain tr, .plain th, .plain td, .hand, .hand tbody, .hand tr, .hand th, .hand td { display: block; width: auto; }
  .rows thead, .plain thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .facts th, .plain tbody th { border-bottom: 0; padding: .3rem 0 0; }
  .facts td, .plain td { padding: 0 0 .3rem; }
  .rows tr { border-bottom: 1px solid var(--rule); padding: .4rem 0; }
  .rows th, .rows td { border-bottom: 0; padding: .05rem 0; }
  .rows td::before { content: attr(data-label) ": "; color: var(--quiet); font: 600 .85em system-ui, "Liberation Sans", Arial, sans-serif; }
  .hand td { height: 2rem; }
  th, .whole { white-space: normal; overflow-wrap: break-word; }
  tbody .first { min-width: 0; }
  .sizes .bars, .sizes thead th:last-child, .total td:last-child { display: none; }
}
@media print {
  nav { display: none; }
  body { max-width: none; padding: 0; font-size: 9.5pt; line-height: 1.35; }
  h2 { margin-top: 1.4rem; }
  h2, h3, thead { break-after: avoid; }
  tr, pre, .verdict, .together { break-inside: avoid; }
  .facts th, .hand th { width: 11rem; }
  .digest { font-size: .82em; }
  .annex { break-before: page; }
  * { print-color-adjust: exact; }
}
`;

/**
 * A self-contained page without scripts, to read offline and to print on A4. Its content security policy allows only its
 * own style sheet, by hash.
 * @param id of the bundle that it describes, for the footer of each printed page
 */
export function page(title: string, id: string | undefined, body: Html): Buffer {
  // Constants; only the hexadecimal digits of the id come from the bundle.
  const css = `${style}${pageStyle(id)}` as Html;
  const hash = createHash('sha256').update(css).digest('base64') as Html;
  const text = html`<!DOCTYPE html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${titleText(title)}</title>
<style>${css}</style>
</head>
<body>
${body}</body>
</html>
`;
  return Buffer.from(text, 'utf8');
}

// A browser treats a title as plain text: only the characters of names and versions are kept.
function titleText(title: string): Html {
  return title.replace(/[^A-Za-z0-9 .,-]/g, '?') as Html;
}

/** The style of printed pages: A4, with page numbers and the bundle's id where known. */
function pageStyle(id: string | undefined): string {
  const bundle = id !== undefined && /^[0-9a-f]{128}$/.test(id) ? `bundle ${id.slice(0, 16)}` : '';
  const font = 'font: 8pt "Liberation Sans", Arial, sans-serif; color: #505050;';
  return `@page { size: A4; margin: 18mm 17mm 20mm;
@bottom-left { content: "${bundle}"; ${font} }
@bottom-right { content: "page " counter(page) " of " counter(pages); ${font} } }`;
}
