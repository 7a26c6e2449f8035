import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Shown, shortened, terminalSvg } from '../scripts/record/terminal-svg.ts';

/** The seconds that a drawing takes, and the lines that are visible at its first frame. */
function read(svg: string): { seconds: number; atOnce: string[] } {
  const [, seconds = ''] = /animation:l0 ([0-9.]+)s/.exec(svg) ?? [];
  const lines = [...svg.matchAll(/<text [^>]*style="animation:none">(.*?)<\/text>/g)];
  return { seconds: Number(seconds), atOnce: lines.map((match) => match[1] ?? '') };
}

const lines = (...texts: readonly string[]): Shown[] =>
  texts.map((text, index) => ({ at: index, text }));

describe('when a terminal is drawn', () => {
  it('shows lines at the first frame, and waits for none longer than a second', () => {
    const { seconds, atOnce } = read(terminalSvg(lines(...'a'.repeat(40).split(''))));
    expect(atOnce).toHaveLength(14);
    expect(seconds).toBeLessThan(40);
  });

  it('leaves out what repeats, up to the next part', () => {
    const texts = [
      '$ stowage pki',
      '== The same by hand, as',
      '$ x',
      '== Next',
      '$ stowage status',
    ];
    expect(shortened(lines(...texts)).map(({ text }) => text)).toEqual([
      ...['$ stowage pki', '== Next', '$ stowage status'],
    ]);
    expect(shortened(lines('$ a'))).toEqual(lines('$ a'));
  });
});

describe('when the demo is looked at', () => {
  const svg = readFileSync(new URL('../manifests/demo.svg', import.meta.url), 'utf8');

  it('is not empty at its first frame, and takes at most half a minute', () => {
    const { seconds, atOnce } = read(svg);
    expect(atOnce.filter((each) => each !== '').length).toBeGreaterThan(5);
    expect(atOnce.join()).toContain('$ stowage pki');
    expect(seconds).toBeGreaterThan(5);
    expect(seconds).toBeLessThanOrEqual(30);
  });
});
