import { inspect } from 'node:util';

const HIDDEN = '[redacted]';

/**
 * A token or a password. Whatever prints it prints `[redacted]`: string conversion, `util.inspect`, JSON. What it
 * holds leaves by {@link Secret.reveal} only, in the line that sends it.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  /** A text from elsewhere with this secret removed, in case a server echoed it. */
  hideIn(text: string): string {
    return this.#value === '' ? text : text.replaceAll(this.#value, HIDDEN);
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  static {
    Object.defineProperty(Secret.prototype, inspect.custom, { value: () => HIDDEN });
  }
}
