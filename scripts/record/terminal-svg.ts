/** A line of a terminal, and when it appeared, in seconds. */
export interface Shown {
  readonly at: number;
  readonly text: string;
}

const COLUMNS = 100;
const ROWS = 30;
const LINE = 17;
const CHARACTER = 8;
/** The longest and shortest time between two lines, in seconds. */
const LONGEST = 0.5;
const SHORTEST = 0.06;
/** Lines that are visible from the beginning, so that a still image of it shows something. */
const AT_ONCE = 14;
/** How long the end is shown, in seconds, before the drawing starts again. */
const END = 5;

/**
 * A drawing that plays without scripts: lines appear as they were printed, with shorter waits, and scroll up. The first lines are
 * visible from the beginning. With reduced motion, it shows the end.
 */
export function terminalSvg(shown: readonly Shown[]): string {
  const lines = shown.flatMap(({ at, text }) => folded(text).map((each) => ({ at, text: each })));
  const times: number[] = [];
  for (const [index, { at }] of lines.entries()) {
    const waited = at - (lines[index - 1]?.at ?? at);
    const wait = index < AT_ONCE ? 0 : Math.min(LONGEST, Math.max(SHORTEST, waited));
    times.push((times.at(-1) ?? 0) + wait);
  }
  const total = (times.at(-1) ?? 0) + END;
  const percent = (seconds: number): string => ((seconds / total) * 100).toFixed(2);
  const rules = times.map((time, index) =>
    time === 0
      ? ''
      : `@keyframes l${index}{0%,${percent(time)}%{opacity:0}${percent(time + 0.01)}%,100%{opacity:1}}`,
  );
  // One per line that scrolls.
  const moves = times.slice(ROWS).map((time, index) => {
    const up = (index + 1) * LINE;
    return `${percent(time)}%{transform:translateY(-${up}px)}`;
  });
  const last = Math.max(0, lines.length - ROWS) * LINE;
  const texts = lines.map(
    ({ text }, index) =>
      `<text y="${(index + 1) * LINE}" class="${kindOf(text)}" style="animation${times[index] === 0 ? ':none' : `-name:l${index}`}">${escaped(text)}</text>`,
  );
  const [width, height] = [COLUMNS * CHARACTER + 32, ROWS * LINE + 60];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>scripts/demo, as a terminal showed it</title>
<style>
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#c9d1d9;white-space:pre;animation:l0 ${total.toFixed(1)}s step-end infinite}
.typed{fill:#7ee787}.title{fill:#79c0ff;font-weight:bold}.error{fill:#ffa657}
#screen{transform:translateY(-${last}px);animation:up ${total.toFixed(1)}s step-end infinite}
@keyframes up{0%{transform:translateY(0)}${moves.join('')}100%{transform:translateY(-${last}px)}}
${rules.filter((each) => each !== '').join('\n')}
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

/** Parts of the demo that repeat what was shown, from a line that begins with the first text to one that begins with the second. */
const OMITTED = [
  [
    '(chat.yaml now says version 1.1.0',
    '$ stowage verify',
    '(the same commands for version 1.1.0)',
  ],
  ['== The same by hand', '== ', undefined],
] as const;

/** Leaves out the parts of the demo that repeat others. Says so where a part is missing. */
export function shortened(shown: readonly Shown[]): Shown[] {
  let kept = [...shown];
  for (const [from, to, instead] of OMITTED) {
    const start = kept.findIndex(({ text }) => text.startsWith(from));
    const length = kept.slice(start + 1).findIndex(({ text }) => text.startsWith(to)) + 1;
    const first = kept[start];
    if (first === undefined || length === 0) continue;
    const note =
      instead === undefined
        ? []
        : [
            { ...first, text: instead },
            { ...first, text: '' },
          ];
    kept = [...kept.slice(0, start), ...note, ...kept.slice(start + length)];
  }
  return kept;
}
