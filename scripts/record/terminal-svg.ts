/** A line of a terminal, and when it appeared, in seconds. */
export interface Shown {
  readonly at: number;
  readonly text: string;
}

const COLUMNS = 100;
const ROWS = 30;
const LINE = 17;
const CHARACTER = 8;
/** Nobody waits longer than this for the next line, in seconds, nor reads a line in less. */
const LONGEST = 1.2;
const SHORTEST = 0.12;
/** How long the end stays, in seconds, before it begins again. */
const END = 8;

/**
 * A drawing that plays by itself and needs no script: lines appear in their time, waits cut short, and older ones move up.
 * Where motion is not wanted it shows the end.
 */
export function terminalSvg(shown: readonly Shown[]): string {
  const lines = shown.flatMap(({ at, text }) => folded(text).map((each) => ({ at, text: each })));
  const times: number[] = [];
  for (const [index, { at }] of lines.entries()) {
    const waited = at - (lines[index - 1]?.at ?? at);
    times.push((times.at(-1) ?? 0) + Math.min(LONGEST, Math.max(SHORTEST, waited)));
  }
  const total = (times.at(-1) ?? 0) + END;
  const percent = (seconds: number): string => ((seconds / total) * 100).toFixed(2);
  const rules = times.map(
    (time, index) =>
      `@keyframes l${index}{0%,${percent(time)}%{opacity:0}${percent(time + 0.01)}%,100%{opacity:1}}`,
  );
  const moves = times.map((time, index) => {
    const up = Math.max(0, index + 1 - ROWS) * LINE;
    return `${percent(time)}%{transform:translateY(-${up}px)}`;
  });
  const last = Math.max(0, lines.length - ROWS) * LINE;
  const texts = lines.map(
    ({ text }, index) =>
      `<text y="${(index + 1) * LINE}" class="${kindOf(text)}" style="animation-name:l${index}">${escaped(text)}</text>`,
  );
  const [width, height] = [COLUMNS * CHARACTER + 32, ROWS * LINE + 60];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>scripts/demo, as a terminal showed it</title>
<style>
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#c9d1d9;white-space:pre;animation:l0 ${total.toFixed(1)}s step-end infinite}
.typed{fill:#7ee787}.title{fill:#79c0ff;font-weight:bold}.error{fill:#ffa657}
#screen{transform:translateY(-${last}px);animation:up ${total.toFixed(1)}s step-end infinite}
@keyframes up{0%{transform:translateY(0)}${moves.join('')}100%{transform:translateY(-${last}px)}}
${rules.join('\n')}
@media (prefers-reduced-motion:reduce){text,#screen{animation:none}}
</style>
<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>
<circle cx="20" cy="18" r="5" fill="#484f58"/><circle cx="38" cy="18" r="5" fill="#484f58"/><circle cx="56" cy="18" r="5" fill="#484f58"/>
<clipPath id="frame"><rect x="0" y="5" width="${width}" height="${ROWS * LINE + 1}"/></clipPath>
<g transform="translate(16 38)" clip-path="url(#frame)"><g id="screen">
${texts.join('\n')}
</g></g>
</svg>
`;
}

/** A line broken at the width of the terminal, as a terminal does. */
function folded(text: string): string[] {
  const pieces = text.match(new RegExp(`.{1,${COLUMNS}}`, 'g'));
  return pieces ?? [''];
}

function kindOf(text: string): string {
  if (text.startsWith('$ ')) return 'typed';
  if (text.startsWith('== ')) return 'title';
  return /error:|failed/.test(text) ? 'error' : 'said';
}

function escaped(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
}
