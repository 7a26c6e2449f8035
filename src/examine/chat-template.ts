import { digestOf } from '../core/digest.ts';
import type { Report } from './examine-content.ts';

/** What has taken templates out of their sandboxes: names that lead from a value to the interpreter. */
const UNSAFE: readonly (readonly [string, RegExp])[] = [
  ['a name with two underscores around it', /__[A-Za-z]\w*__/],
  ['the filter attr', /\|\s*attr\b/],
  ['an underscore by its number', /\\x5f|\\u005f|\\U0000005f|\\137|\\N\{low line\}/i],
  ['underscores put together', /(['"])_+\1\s*[*+~]|[*+~]\s*(['"])_+\2/],
  [
    'an attribute of frames or functions',
    /\b(?:gi_frame|gi_code|cr_frame|cr_code|ag_frame|tb_frame|f_back|f_globals|f_builtins|f_locals|func_globals|func_code|mro)\b/,
  ],
  ['a file of another name', /\{%[-+]?\s*(?:include|import|from|extends)\b/],
  ['a global of Jinja that leads to Python', /\b(?:lipsum|cycler|joiner)\b\s*[.[|]/],
  ['the template itself', /\bself\s*[.[]/],
];

/** Records a chat template by its hash, and reports constructs that no chat template needs. */
export function examineChatTemplate(label: string, template: string, report: Report): void {
  const digest = digestOf(Buffer.from(template));
  report('chat-template', `${label}, a Jinja program of ${template.length} characters`, { digest });
  const code = codeOf(template);
  for (const [what, pattern] of UNSAFE)
    if (pattern.test(code)) report('chat-template-unsafe', `${label} uses ${what}`, { digest });
}

/** What stands between `{{` or `{%` and its end, in one pass; a tag without an end goes on to the end of the text. */
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

/** The chat templates of a tokenizer's configuration: one, or a list of named ones. */
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
