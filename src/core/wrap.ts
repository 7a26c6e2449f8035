/** Wraps a text at spaces into lines of at most `columns` characters. A longer word gets its own line. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** The start of an item of a list. */
const ITEM = /^(?:[*-]|\d+\.) /;
const INDENTED = /^ +[*-] /;

/**
 * Fills the paragraphs and lists of a plain text to lines of at most `columns` characters. Further lines of an item are
 * indented below its text. Indented blocks and items, such as commands and tables, stay as they are.
 */
export function fill(text: string, columns: number): string {
  return text
    .split(/(\n{2,}|\n$)/)
    .map((block, index) => (index % 2 === 1 || /^ /.test(block) ? block : filled(block, columns)))
    .join('');
}

function filled(block: string, columns: number): string {
  const items: string[] = [];
  for (const line of block.split('\n')) {
    if (items.length === 0 || ITEM.test(line) || INDENTED.test(line)) items.push(line);
    else items.push(`${items.pop()} ${line.trim()}`);
  }
  return items
    .flatMap((item) => {
      if (INDENTED.test(item)) return [item];
      const [label = ''] = ITEM.exec(item) ?? [];
      return wrap(item.slice(label.length), columns - label.length).map(
        (line, index) => `${index === 0 ? label : ' '.repeat(label.length)}${line}`,
      );
    })
    .join('\n');
}
