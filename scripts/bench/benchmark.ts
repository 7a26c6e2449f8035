/** Where a benchmark works, and how much. */
export interface BenchContext {
  /** A temporary folder of its own, removed afterwards. */
  readonly folder: string;
  /** Bytes to work on; each benchmark has its own default. */
  readonly size?: number;
  /** Tells a person what goes on. */
  say(text: string): void;
}

/** One figure, beside what this machine can do at best with the same bytes in the same run. */
export interface Row {
  readonly what: string;
  readonly figure: number;
  readonly unit: 'MB/s' | 'MiB' | 's' | 'questions/s';
  readonly limit?: { readonly what: string; readonly figure: number };
  /** The figure over its limit. */
  readonly ratio?: number;
  /** What the design wants, as text. */
  readonly goal?: string;
}

/** What each file of this folder exports. */
export interface Benchmark {
  readonly name: string;
  readonly about: string;
  run(context: BenchContext): Promise<readonly Row[]>;
}
