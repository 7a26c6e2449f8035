/** A line as `podman logs --timestamps` prints it: RFC 3339 with up to nine digits of a second, a space, the text. */
const STAMPED = /^([0-9T:-]{19})(?:\.([0-9]{1,9}))?(Z|[+-][0-9:]{5}) ?(.*)$/s;

/**
 * A stamp within a line. For what a program wrote without a line break, podman 4 begins no new line, but prints the stamp of
 * the next write: progress bars consist of such writes.
 */
const CONTINUED =
  /[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{7,9}(?:Z|[+-][0-9]{2}:[0-9]{2}) /g;

interface Line {
  readonly at: string;
  readonly text: string;
}

/**
 * The last `lines` of two outputs in the order in which they were written, without their time stamps. A line
 * without a stamp belongs to the line before it, and writes without a line break are one line.
 */
export function mergeLog(stdout: string, stderr: string, lines: number): string {
  const all = [...stamped(stdout), ...stamped(stderr)];
  const sorted = all.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  const tail = sorted.slice(Math.max(0, sorted.length - lines));
  return tail.map((line) => `${line.text}\n`).join('');
}

function stamped(output: string): Line[] {
  const lines: Line[] = [];
  for (const raw of output.split(/\r?\n/)) {
    const match = STAMPED.exec(raw);
    if (match !== null) {
      const [, seconds = '', fraction = '', , text = ''] = match;
      const at = `${seconds}.${fraction.padEnd(9, '0')}`;
      lines.push({ at, text: text.replaceAll(CONTINUED, '') });
    } else if (raw !== '') lines.push({ at: lines.at(-1)?.at ?? '', text: raw });
  }
  return lines;
}
