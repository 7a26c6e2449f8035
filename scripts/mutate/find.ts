import { parseAst } from 'vitest/node';

/** One change to one file that takes a check away or bends it. */
export interface Mutant {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** The function around it; empty at the top of the file. */
  readonly within: string;
  readonly kind: string;
  /** The lines as they are, and as they become, in one. */
  readonly before: string;
  readonly after: string;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

interface Place {
  readonly text: string;
  readonly within: string;
  /** The nodes around, the nearest last. */
  readonly above: readonly Node[];
}

type Change = readonly [kind: string, node: Pick<Node, 'start' | 'end'>, replacement: string];

const BENT: Readonly<Record<string, string>> = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
};
const MAX_SHOWN = 140;
const SAID: readonly string[] = ['expected', 'found', 'hint', 'defects'];
/** What takes a boolean, and is mutated there as a whole or part by part. */
const DECIDES: readonly string[] = [
  'IfStatement',
  'LogicalExpression',
  'ConditionalExpression',
  'ReturnStatement',
  'ArrowFunctionExpression',
];

/**
 * Every mutant of a TypeScript file, in the order of the file. It looks at `if`, `&&`, `||`, `!`, comparisons, ternaries,
 * statements that only call something, `throw` that no `if` guards, booleans that are returned, `??` between two calls,
 * `every` and `some`, calls of `expect` and of `require...` for their value, ranges of two numbers, and anchors of
 * regular expressions. It does not look at arithmetic, texts, `switch`, limits by name, default values, or what is
 * said in an error: what follows `throw`, what `expected`, `found`, `hint` and `defects` are given, and functions that
 * return a StowageError and nothing else.
 */
export function findMutants(file: string, text: string): Mutant[] {
  const found: Mutant[] = [];
  walk(
    parseAst(text, { lang: 'ts' }) as unknown as Node,
    { text, within: '', above: [] },
    (place, change) => {
      const [kind, { start, end }, replacement] = change;
      const from = text.lastIndexOf('\n', start - 1) + 1;
      const changed = text.slice(0, start) + replacement + text.slice(end);
      found.push({
        file,
        line: text.slice(0, start).split('\n').length,
        within: place.within,
        kind,
        before: flat(text.slice(from, lineEnd(text, end))),
        after: flat(changed.slice(from, lineEnd(changed, start + replacement.length))),
        start,
        end,
        replacement,
      });
    },
  );
  return found.sort((a, b) => a.start - b.start || a.end - b.end);
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end === -1 ? text.length : end;
}

function flat(lines: string): string {
  const line = lines.trim().replace(/\s+/g, ' ');
  return line.length > MAX_SHOWN ? `${line.slice(0, MAX_SHOWN)}...` : line;
}

function walk(node: Node, place: Place, report: (place: Place, change: Change) => void): void {
  if (node.type.startsWith('TS') && !node.type.endsWith('Expression')) return;
  if (node.type === 'ImportDeclaration' || isSaid(node, place.text)) return;
  const within = nameOf(node, place) ?? place.within;
  const here = { ...place, within };
  for (const change of changesOf(node, here)) report(here, change);
  if (node.type === 'ThrowStatement') return;
  const inside = { ...here, above: [...place.above, node] };
  for (const child of childrenOf(node)) walk(child, inside, report);
}

function childrenOf(node: Node): Node[] {
  return Object.values(node)
    .flat()
    .filter((each): each is Node => typeof each === 'object' && each !== null && 'type' in each);
}

function nameOf(node: Node, { above }: Place): string | undefined {
  const owner = node.type.endsWith('Function') || node.type.endsWith('FunctionExpression');
  const named = node.type === 'FunctionDeclaration' ? node : owner ? above.at(-1) : undefined;
  const id = named?.type === 'MethodDefinition' ? named['key'] : named?.['id'];
  return isNode(id) && typeof id['name'] === 'string' ? id['name'] : undefined;
}

/** Whether this only words an error: a function that makes one, or one of its fields. */
function isSaid(node: Node, text: string): boolean {
  if (node.type === 'Property') return SAID.includes(textOf(node['key'] as Node, text));
  const type = node['returnType'];
  return isNode(type) && /^: (?:StowageError|ReturnType<.*>)$/.test(textOf(type, text));
}

function changesOf(node: Node, place: Place): Change[] {
  const { text } = place;
  const part = (key: string): string => textOf(node[key] as Node, text);
  switch (node.type) {
    case 'IfStatement':
      return ifChanges(node);
    case 'LogicalExpression':
      if (node['operator'] === '??' && !(isCall(node['left']) && isCall(node['right']))) return [];
      return [
        ['first part alone', node, whole(node['left'], text)],
        ['second part alone', node, whole(node['right'], text)],
      ];
    case 'BinaryExpression':
      return comparisonChanges(node, place);
    case 'UnaryExpression':
      if (node['operator'] !== '!' || isDecided(place)) return [];
      return [['not negated', node, part('argument')]];
    case 'ConditionalExpression':
      return [
        ['always', node, part('consequent')],
        ['never', node, part('alternate')],
      ];
    case 'ExpressionStatement':
      if (!isCall(node['expression']) || place.above.at(-1)?.type === 'IfStatement') return [];
      return [['call left out', node, ';']];
    case 'ThrowStatement':
      return isGuarded(node, place) ? [] : [['throw left out', node, ';']];
    case 'ReturnStatement':
      return booleanChanges(node['argument'], place);
    case 'ArrowFunctionExpression':
      return booleanChanges(node['body'], place);
    case 'CallExpression':
      return callChanges(node, place);
    case 'ArrayExpression':
      return rangeChanges(node, text);
    case 'Literal':
      return anchorChanges(node, text);
    default:
      return [];
  }
}

/** A part that may stand where the whole stood. */
function whole(part: unknown, text: string): string {
  const node = part as Node;
  return node.type === 'LogicalExpression' ? `(${textOf(node, text)})` : textOf(node, text);
}

function ifChanges(node: Node): Change[] {
  const test = node['test'] as Node;
  const body = node['consequent'] as Node;
  const last = body.type === 'BlockStatement' ? (body['body'] as Node[]).at(-1) : body;
  const [always, never]: Change[] = [
    ['always', test, 'true'],
    ['never', test, 'false'],
  ];
  return fixed(test, last?.type === 'ThrowStatement' ? undefined : always, never);
}

/** Both, but for the one that a part of the expression alone stands for already. */
function fixed(test: Node, always: Change | undefined, never: Change | undefined): Change[] {
  const operator = test.type === 'LogicalExpression' ? test['operator'] : undefined;
  return [operator === '&&' ? undefined : always, operator === '||' ? undefined : never].filter(
    (each) => each !== undefined,
  );
}

function comparisonChanges(node: Node, place: Place): Change[] {
  const operator = String(node['operator']);
  const other = BENT[operator];
  const negates = operator.endsWith('==');
  if (other === undefined || (negates && isDecided(place))) return [];
  const start = place.text.indexOf(operator, (node['left'] as Node).end);
  const end = start + operator.length;
  return [[negates ? 'negated' : 'one further', { start, end }, other]];
}

function isDecided({ above }: Place): boolean {
  return DECIDES.includes(above.at(-1)?.type ?? '');
}

/** Whether a `throw` goes with an `if`: the one that it belongs to, or one that returns before it. */
function isGuarded(node: Node, { above }: Place): boolean {
  const [outer, around] = above.slice(-2);
  if (around?.type === 'IfStatement') return true;
  const statements = around?.['body'];
  if (!Array.isArray(statements)) return false;
  const before: unknown = statements[statements.indexOf(node) - 1];
  return before === undefined
    ? outer?.type === 'IfStatement'
    : isNode(before) && before.type === 'IfStatement';
}

function booleanChanges(value: unknown, { above, text }: Place): Change[] {
  if (!isNode(value) || value.type === 'BlockStatement' || value.type === 'Literal') return [];
  const around = above.findLast((each) => each.type.includes('Function'))?.['returnType'];
  const declared = isNode(around) && /boolean/.test(textOf(around, text));
  const shown =
    (value.type === 'BinaryExpression' && String(value['operator']) in BENT) ||
    (value.type === 'LogicalExpression' && value['operator'] !== '??') ||
    (value.type === 'UnaryExpression' && value['operator'] === '!') ||
    (value.type === 'CallExpression' &&
      /\.(?:equals|has|includes|test|some|every)\($/.test(head(value, text)));
  if (!shown && !(declared && value.type !== 'ArrowFunctionExpression')) return [];
  return fixed(value, ['true', value, 'true'], ['false', value, 'false']);
}

function callChanges(node: Node, { above, text }: Place): Change[] {
  const callee = node['callee'] as Node;
  const [first] = node['arguments'] as Node[];
  const swapped = /\.(some|every)$/.exec(textOf(callee, text))?.[1];
  if (swapped !== undefined)
    return [
      [
        'some and every exchanged',
        { start: callee.end - swapped.length, end: callee.end },
        swapped === 'some' ? 'every' : 'some',
      ],
    ];
  const stands = above.findLast((each) => each.type !== 'AwaitExpression');
  if (stands?.type === 'ExpressionStatement') return [];
  const checks = /(?:\.expect|^require[A-Z]\w*)$/.test(textOf(callee, text));
  return checks && first !== undefined ? [['unchecked', node, `(${textOf(first, text)})`]] : [];
}

function rangeChanges(node: Node, text: string): Change[] {
  const [low, high, ...rest] = node['elements'] as (Node | null)[];
  if (!low || !high || rest.length > 0) return [];
  if (!isNumber(low) || !(isNumber(high) || /^MAX_/.test(textOf(high, text)))) return [];
  const upper: Change = ['no upper end', high, 'Infinity'];
  return low['value'] === 0 ? [upper] : [['no lower end', low, '0'], upper];
}

function anchorChanges(node: Node, text: string): Change[] {
  const source = textOf(node, text);
  const close = source.lastIndexOf('/');
  if (!isNode(node) || typeof node['regex'] !== 'object') return [];
  const changes: Change[] = [];
  if (source.startsWith('/^'))
    changes.push(['no start', { start: node.start + 1, end: node.start + 2 }, '']);
  if (source[close - 1] === '$' && source[close - 2] !== '\\')
    changes.push(['no end', { start: node.start + close - 1, end: node.start + close }, '']);
  return changes;
}

function head(call: Node, text: string): string {
  return `${textOf(call['callee'] as Node, text)}(`;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value;
}

function isNumber(node: Node): boolean {
  return node.type === 'Literal' && typeof node['value'] === 'number';
}

function isCall(value: unknown): boolean {
  if (!isNode(value)) return false;
  return (
    value.type === 'CallExpression' ||
    (value.type === 'AwaitExpression' && isCall(value['argument']))
  );
}

function textOf({ start, end }: Pick<Node, 'start' | 'end'>, text: string): string {
  return text.slice(start, end);
}
