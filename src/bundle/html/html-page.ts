import { createHash } from 'node:crypto';
import { type Html, html } from '../../core/html-text.ts';
import { pageStyle, style } from './html-style.ts';

/**
 * A page that needs nothing else and runs nothing: for reading offline and printing on A4. Its policy lets in this one style
 * sheet, by its hash, and nothing more.
 * @param id of the bundle that it is about, for the foot of each sheet of paper
 */
export function page(title: string, id: string | undefined, body: Html): Buffer {
  // Constants, with nothing in them from elsewhere but hexadecimal digits.
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

// What stands in a title is text to a browser, tags and all: names and versions of ours alone.
function titleText(title: string): Html {
  return title.replace(/[^A-Za-z0-9 .,-]/g, '?') as Html;
}
