/** One lookup or attempt, as the sink wrote it. */
export interface SinkLine {
  readonly kind: 'dns' | 'tcp' | 'udp';
  readonly at: Date;
  readonly source: string;
  readonly sourcePort: number;
  readonly port: number;
  /** The query, or the first bytes that were sent. */
  readonly bytes: Buffer;
}

/** How many lines are kept. */
const MAX_LINES = 50_000;
const MAX_LINE = 16_384;
const LINE =
  /^([1-9][0-9]{0,9}) ([0-9]{13}) (dns|tcp|udp) ([0-9.]{7,15}) ([0-9]{1,5}) ([0-9]{1,5}) (-|(?:[0-9a-f]{2})+)$/;

/** Reads what a sink writes, from the beginning each time that the API server ends the log. */
export class SinkLog {
  readonly #lines: SinkLine[] = [];
  #rest = '';
  #last = 0;
  #more = 0;

  /** The log comes from its beginning again. */
  begin(): void {
    this.#rest = '';
  }

  add(bytes: Uint8Array): void {
    const lines = (this.#rest + Buffer.from(bytes).toString('latin1')).split('\n');
    this.#rest = (lines.pop() ?? '').slice(-MAX_LINE);
    for (const line of lines) this.#read(line);
  }

  /** What was read, in its order, and how many lines were lost or are not kept. */
  all(): { readonly lines: readonly SinkLine[]; readonly more: number } {
    return { lines: this.#lines, more: this.#more };
  }

  #read(line: string): void {
    const [, digits = '', at = '', kind = '', source = '', from = '', port = '', hex = ''] =
      LINE.exec(line) ?? [];
    const number = Number(digits);
    if (digits === '' || number <= this.#last) return;
    // The kubelet keeps only the end of a log that got too long.
    this.#more += number - this.#last - 1;
    this.#last = number;
    if (this.#lines.length >= MAX_LINES) {
      this.#more += 1;
      return;
    }
    this.#lines.push({
      kind: kind as SinkLine['kind'],
      at: new Date(Number(at)),
      source,
      ...{ sourcePort: Number(from), port: Number(port) },
      bytes: hex === '-' ? Buffer.alloc(0) : Buffer.from(hex, 'hex'),
    });
  }
}
