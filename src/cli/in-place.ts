import type { Screen } from './terminal.ts';

const CLEAR_BELOW = '\u001b[J';
const CLEAR_TO_END = '\u001b[K';

/**
 * A screen for a spinner, on which what moves is drawn over itself. The cursor always rests where the drawing begins, so a
 * terminal that is resized, suspended or left by a kill at any moment shows nothing twice and needs no repair.
 */
export function inPlace(screen: Screen): NodeJS.WriteStream {
  const view = {
    isTTY: true,
    get columns(): number | undefined {
      return screen.columns;
    },
    write(text: string): boolean {
      // What ends its line stays, and what has no visible character is for the terminal.
      if (text.endsWith('\n') || text.startsWith('\u001b[?')) return screen.write(text);
      const lines = text.split('\n');
      const up = lines.length > 1 ? `\u001b[${lines.length - 1}A` : '';
      return screen.write(`${lines.join(`${CLEAR_TO_END}\n`)}${CLEAR_BELOW}${up}\r`);
    },
    cursorTo: (): boolean => screen.write(`\r${CLEAR_BELOW}`),
    clearLine: (): boolean => true,
    moveCursor: (): boolean => true,
    once: (name: string, hear: () => void): unknown => screen.once(name, hear),
    removeListener: (name: string, hear: () => void): unknown => screen.removeListener(name, hear),
  };
  return view as unknown as NodeJS.WriteStream;
}
