import type { ChartFiles } from './chart-files.ts';

/**
 * The chart with `fail` in place of each `lookup`, which asks a cluster and gets nothing from `helm template`: rendering it
 * fails where a template would have asked, and only there.
 */
export function withoutLookup(chart: ChartFiles): ChartFiles {
  const files = new Map(
    [...chart.files].map(([path, bytes]) =>
      /(?:^|\/)templates\//.test(path)
        ? ([path, failing(bytes)] as const)
        : ([path, bytes] as const),
    ),
  );
  return { ...chart, files };
}

/** Within an action: its end, a comment, texts, and the call. One without an end is all that follows it, so that no text is read twice. */
const TOKEN =
  /\}\}|\/\*(?:[\s\S]*?\*\/|[\s\S]*)|"(?:[^"\\\n]|\\.)*"?|`[^`]*`?|(?<![\w.$-])lookup(?![\w-])/g;

function failing(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  const parts: string[] = [];
  let at = 0;
  for (let start = text.indexOf('{{'); start >= 0; start = text.indexOf('{{', at)) {
    TOKEN.lastIndex = start + 2;
    let token = TOKEN.exec(text);
    for (; token !== null && token[0] !== '}}'; token = TOKEN.exec(text)) {
      if (token[0] !== 'lookup') continue;
      parts.push(text.slice(at, token.index), 'fail');
      at = TOKEN.lastIndex;
    }
    if (token === null) break;
    parts.push(text.slice(at, TOKEN.lastIndex));
    at = TOKEN.lastIndex;
  }
  return at === 0 && parts.length === 0
    ? bytes
    : Buffer.from(`${parts.join('')}${text.slice(at)}`, 'latin1');
}
