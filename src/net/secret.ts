import { inspect } from 'node:util';

const HIDDEN = '[redacted]';

/**
 * A token or a password. Whatever prints it prints `[redacted]`: string conversion, `util.inspect`, JSON. What it
 * holds leaves by {@link Secret.reveal} alone, in the line that puts it on the wire.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  /** A text from elsewhere with this secret taken out, should somebody have echoed it. */
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
