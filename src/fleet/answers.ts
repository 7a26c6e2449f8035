/** Answers to questions about values, each worked out once: thousands of sites run the same few versions and follow the same channels. */
export class Answers<About extends object, T> {
  readonly #known = new WeakMap<About, Map<string, T>>();

  /** @param question says all on which the answer depends besides `about` */
  answer(about: About, question: string, work: () => T): T {
    const known = this.#known.get(about) ?? new Map<string, T>();
    this.#known.set(about, known);
    const before = known.get(question);
    if (before !== undefined) return before;
    const found = work();
    known.set(question, found);
    return found;
  }
}
