import { StowageError } from '../core/error.ts';
import { cutTo, printable } from '../core/text.ts';
import {
  type Allowance,
  type Finding,
  isAllowable,
  type Rule,
  severityOf,
} from '../format/finding.ts';
import type { Extra } from './examine-content.ts';
import { explanations } from './explain.ts';
import { globMatcher } from './glob.ts';

const MAX_FINDINGS = 50_000;
const MAX_PER_RULE = 200;

/** Where something was found. */
export interface FoundIn {
  /** The name of the model, files entry or service. */
  readonly source: string;
  readonly file: string;
  /** What the manifest allows for this source. */
  readonly allow: readonly Allowance[];
  /** Whether it is a folder, whose files the manifest can allow one by one. */
  readonly folder?: boolean;
}

/** Collects findings without duplicates, and applies the allowances of the manifest. */
export class Findings {
  readonly #found = new Map<string, Finding>();
  readonly #counts = new Map<string, number>();

  add(found: FoundIn, rule: Rule, detail: string, { member, ...extra }: Extra = {}): void {
    const { source, allow, file, folder = false } = found;
    const names = folder && member !== undefined ? [file, member, `${file}/${member}`] : [file];
    const allowed = isAllowable(rule)
      ? allow.find((each) => each.rule === rule && names.some(globMatcher([each.file])))
      : undefined;
    const key = JSON.stringify([source, file, rule, detail, member]);
    // What is allowed never displaces what is not.
    const kind = JSON.stringify([source, file, rule, allowed === undefined]);
    const count = (this.#counts.get(kind) ?? 0) + 1;
    if (this.#found.has(key) || count > MAX_PER_RULE || this.#found.size >= MAX_FINDINGS) return;
    this.#counts.set(kind, count);
    this.#found.set(key, {
      source,
      file: cutTo(printable(file), 1024),
      rule,
      severity: severityOf(rule),
      message: cutTo(printable(detail), 1000),
      ...extra,
      ...(allowed === undefined ? {} : { allowed: allowed.reason }),
    });
  }

  /**
   * All findings, sorted by source, file and rule.
   * @throws StowageError `content-refused` listing every refusal that the manifest does not allow
   */
  settle(): Finding[] {
    const all = [...this.#found.values()].sort(compare);
    const refused = all.filter((each) => each.severity === 'refusal' && each.allowed === undefined);
    if (refused.length > 0) throw refusedContent(refused);
    return all;
  }
}

function refusedContent(refused: readonly Finding[]): StowageError {
  const [first] = refused as readonly [Finding];
  const more = refused.length === 1 ? '' : `, and ${refused.length - 1} more`;
  const isLicense = first.rule === 'license-refused';
  const what = isLicense ? first.message : `${placeOf(first, ' of ')} is refused`;
  const isSaid = isLicense && refused.length === 1;
  return new StowageError('content-refused', `${what}${more}`, {
    expected: isLicense
      ? 'a license that the manifest lists'
      : first.rule === 'object-image'
        ? 'objects whose images are in the bundle'
        : 'well-formed files without code that runs on loading, and without secrets',
    found: isLicense ? first.message : `${first.message} [${first.rule}]`,
    hint: explanations[first.rule].remedy,
    defects: refused.slice(0, 200).map((each) => {
      const said = isSaid ? '' : `: ${each.message}`;
      return `${placeOf(each)}${said} [${each.rule}]: ${explanations[each.rule].why}`;
    }),
  });
}

/** A file and its source, the file first before ` of `; the source alone for all of its files. */
function placeOf({ source, file }: Finding, between: ': ' | ' of ' = ': '): string {
  if (file === '*') return source;
  return between === ' of ' ? `${file}${between}${source}` : `${source}${between}${file}`;
}

function compare(a: Finding, b: Finding): number {
  const keys = (each: Finding): string[] => [each.source, each.file, each.rule, each.message];
  const other = keys(b);
  for (const [index, key] of keys(a).entries()) {
    const order = Buffer.compare(Buffer.from(key), Buffer.from(other[index] ?? ''));
    if (order !== 0) return order;
  }
  return 0;
}
