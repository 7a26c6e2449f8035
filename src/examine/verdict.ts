import type { Digest } from '../core/digest.ts';
import type { Rule } from '../format/finding.ts';
import type { Extra, Weights } from './examine-content.ts';

/**
 * Version of the rules that judge the content of one file. Raise it with every change that lets a file have other
 * findings: files that were examined under another version are examined again.
 */
export const RULES_VERSION = 3;

/** What the content of one file was found to be, whatever else is in the manifest. */
export interface Verdict {
  readonly reports: readonly {
    readonly rule: Rule;
    readonly detail: string;
    readonly extra?: Extra;
  }[];
  readonly weights: Weights;
  /** Whether a part of it was not searched for secrets. */
  readonly unsearched: boolean;
}

/** A file that is examined. */
export interface Subject {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** Whether it is a file of a model, and its path: both are part of what the rules judge. */
  readonly as: string;
}

/** Verdicts about files whose content was verified and did not change since, under the current version of the rules. */
export interface Verdicts {
  get(subject: Subject): Promise<Verdict | undefined>;
  keep(subject: Subject, verdict: Verdict): Promise<void>;
}

/** A verdict as JSON can hold it. */
export function verdictToJson({ reports, weights, unsearched }: Verdict): object {
  const { tensors, gguf, external } = weights;
  return {
    reports,
    unsearched,
    ...(tensors === undefined ? {} : { tensors: [...tensors] }),
    ...(external === undefined ? {} : { external: [...external] }),
    ...(gguf === undefined
      ? {}
      : {
          gguf: {
            tensors: gguf.tensors,
            numbers: [...gguf.numbers].map(([key, value]) => [key, String(value)]),
          },
        }),
  };
}

/** Reads what {@link verdictToJson} made; the texts of a GGUF file are in the reports alone. */
export function verdictFromJson(json: object): Verdict {
  const { reports, unsearched, tensors, gguf, external } = json as {
    readonly reports: Verdict['reports'];
    readonly unsearched: boolean;
    readonly tensors?: readonly [string, number][];
    readonly external?: readonly [string, number][];
    readonly gguf?: { readonly tensors: number; readonly numbers: readonly [string, string][] };
  };
  return {
    reports,
    unsearched,
    weights: {
      ...(tensors === undefined ? {} : { tensors: new Map(tensors) }),
      ...(external === undefined ? {} : { external: new Map(external) }),
      ...(gguf === undefined
        ? {}
        : {
            gguf: {
              tensors: gguf.tensors,
              texts: new Map(),
              numbers: new Map(gguf.numbers.map(([key, value]) => [key, BigInt(value)])),
            },
          }),
    },
  };
}
