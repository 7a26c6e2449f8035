const MAX_TOKENS = 500;

/**
 * Whether a list allows a license: a name as the Hub writes it, or an SPDX expression (SPDX 2.3, annex D). AND requires
 * both operands on the list, OR one of them. An exception (WITH) adds permissions, so it is enough that the list has the
 * license, with or without the exception. Case is ignored.
 */
export function isLicenseAllowed(license: string, list: readonly string[]): boolean {
  const names = new Set(list.map(normal));
  if (names.has(normal(license))) return true;
  const tokens = license.match(/[()]|[^\s()]+/g) ?? [];
  if (tokens.length === 0 || tokens.length > MAX_TOKENS) return false;
  const parser = new Parser(tokens, names);
  return parser.whole();
}

function normal(text: string): string {
  return text.trim().replace(/\s+/g, ' ').toLowerCase();
}

class Parser {
  readonly #tokens: readonly string[];
  readonly #names: ReadonlySet<string>;
  #at = 0;
  #malformed = false;

  constructor(tokens: readonly string[], names: ReadonlySet<string>) {
    this.#tokens = tokens;
    this.#names = names;
  }

  whole(): boolean {
    const allowed = this.#either();
    return allowed && this.#at === this.#tokens.length && !this.#malformed;
  }

  #either(): boolean {
    let allowed = this.#both();
    while (this.#word('or')) {
      const other = this.#both();
      allowed ||= other;
    }
    return allowed;
  }

  #both(): boolean {
    let allowed = this.#one();
    while (this.#word('and')) {
      const other = this.#one();
      allowed &&= other;
    }
    return allowed;
  }

  #one(): boolean {
    const token = this.#next();
    if (token === '(') {
      const allowed = this.#either();
      if (this.#next() !== ')') this.#malformed = true;
      return allowed;
    }
    if (token === undefined || token === ')' || /^(?:and|or|with)$/i.test(token)) {
      this.#malformed = true;
      return false;
    }
    const plain = this.#has(token) || (token.endsWith('+') && this.#has(token.slice(0, -1)));
    if (!this.#word('with')) return plain;
    const exception = this.#next() ?? '';
    if (/^(?:|[()]|and|or|with)$/i.test(exception)) this.#malformed = true;
    return plain || this.#has(`${token} with ${exception}`);
  }

  #has(name: string): boolean {
    return this.#names.has(normal(name));
  }

  #word(word: string): boolean {
    if (this.#tokens[this.#at]?.toLowerCase() !== word) return false;
    this.#at += 1;
    return true;
  }

  #next(): string | undefined {
    const token = this.#tokens[this.#at];
    this.#at += 1;
    return token;
  }
}
