import type { Screen } from './terminal.ts';

const CLEAR_BELOW = '\u001b[J';
const CLEAR_TO_END = '\u001b[K';

/**
 * A screen for a spinner that redraws its lines in place. The cursor always stays at the start of these lines, so
 * nothing is shown twice and nothing has to be restored after a resize, a suspend or a kill.
 */
export function inPlace(screen: Screen): NodeJS.WriteStream {
  const view = {
    isTTY: true,
    get columns(): number | undefined {
      return screen.columns;
    },
    write(text: string): boolean {
      // Complete lines and control sequences are written unchanged.
      if (text.endsWith('\n') || text.startsWith('\u001b[?')) return screen.write(text);
      const lines = text.split('\n');
      const up = lines.length > 1 ? `\u001b[${lines.length - 1}A` : '';
      return screen.write(`${lines.join(`${CLEAR_TO_END}\n`)}${CLEAR_BELOW}${up}\r`);
    },
    cursorTo: (): boolean => screen.write(`\r${CLEAR_BELOW}`),
    clearLine: (): boolean => true,
    moveCursor: (): boolean => true,
    once: (name: string, listener: () => void): unknown => screen.once(name, listener),
    removeListener: (name: string, listener: () => void): unknown =>
      screen.removeListener(name, listener),
  };
  return view as unknown as NodeJS.WriteStream;
}
