import { digestOf } from '../core/digest.ts';
import { counted } from '../core/text.ts';
import type { Report } from './examine-content.ts';

/** Constructs that have been used to escape template sandboxes: names that give access to the interpreter. */
const UNSAFE: readonly (readonly [string, RegExp])[] = [
  ['a name that begins with two underscores', /__[A-Za-z]\w*__/],
  ['the attr filter', /\|\s*attr\b/],
  ['an escaped underscore', /\\x5f|\\u005f|\\U0000005f|\\137|\\N\{low line\}/i],
  ['concatenated underscores', /(['"])_+\1\s*[*+~]|[*+~]\s*(['"])_+\2/],
  [
    'an attribute of a frame or function',
    /\b(?:gi_frame|gi_code|cr_frame|cr_code|ag_frame|tb_frame|f_back|f_globals|f_builtins|f_locals|func_globals|func_code|mro)\b/,
  ],
  ['an include or import of another file', /\{%[-+]?\s*(?:include|import|from|extends)\b/],
  ['a Jinja global that gives access to Python', /\b(?:lipsum|cycler|joiner)\b\s*[.[|]/],
  ['the template itself', /\bself\s*[.[]/],
];

/** Records a chat template by its hash, and reports constructs that no chat template needs. */
export function examineChatTemplate(label: string, template: string, report: Report): void {
  const digest = digestOf(Buffer.from(template));
  report('chat-template', `${label}, a Jinja program of ${counted(template.length, 'character')}`, {
    digest,
  });
  const code = codeOf(template);
  for (const [what, pattern] of UNSAFE)
    if (pattern.test(code)) report('chat-template-unsafe', `${label} uses ${what}`, { digest });
}

/** The code within `{{` or `{%` tags, in one pass; an unclosed tag extends to the end of the text. */
function codeOf(template: string): string {
  const parts: string[] = [];
  const tag = /\{[{%]/g;
  for (let found = tag.exec(template); found !== null; found = tag.exec(template)) {
    const end = template.indexOf(found[0] === '{{' ? '}}' : '%}', found.index + 2);
    parts.push(template.slice(found.index, end < 0 ? undefined : end + 2));
    if (end < 0) break;
    tag.lastIndex = end + 2;
  }
  return parts.join('\n');
}

/** The chat templates in a tokenizer configuration: one template, or a list of named ones. */
export function templatesOf(config: unknown): (readonly [string, string])[] {
  if (typeof config !== 'object' || config === null || !('chat_template' in config)) return [];
  const found = config.chat_template;
  if (typeof found === 'string') return [['the chat template', found]];
  if (typeof found !== 'object' || found === null) return [];
  return Object.entries(found).flatMap(([key, each]: [string, unknown]) => {
    if (typeof each === 'string') return [[`the chat template ${key}`, each] as const];
    if (typeof each !== 'object' || each === null) return [];
    if (!('template' in each) || typeof each.template !== 'string') return [];
    const name = 'name' in each && typeof each.name === 'string' ? each.name : key;
    return [[`the chat template ${name.slice(0, 80)}`, each.template] as const];
  });
}
