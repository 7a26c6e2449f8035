import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Terminal } from '../src/cli/command.ts';
import { visibleCommands } from '../src/cli/command-tree.ts';
import { everyGroup } from '../src/cli/every-group.ts';
import { examples } from '../src/cli/examples.ts';
import { commanderStatus, createProgram } from '../src/cli/program.ts';
import { errorCodes } from '../src/core/error.ts';
import {
  callsOf,
  clusterPage,
  commandsOfPage,
  fleetPage,
  hopsPage,
  perimeterPage,
  typedPages,
} from './support/documents.ts';
import { readSource } from './support/import-graph.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** A command in a message, and the words up to the end of its clause. */
const COMMAND = /(?<![\w./@-])stowage ([a-z][a-z-]*)((?: (?!stowage )[A-Za-z<-][\w<>.-]*)*)/g;
/** What follows the name of the program in sentences about it. */
const PROSE = new Set(
  'release program that is does command verifies claims without uses has'.split(' '),
);
const guides = [...typedPages, clusterPage, fleetPage, hopsPage, perimeterPage].filter(
  (page) => page !== 'CONTRIBUTING.md',
);
const pages = globSync(['*.md', '{manifests,scripts,signing}/*.md', '{src,test}/**/*.md'], {
  cwd: root,
});

function read(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

const nowhere = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() });

const terminal: Terminal = {
  stdout: nowhere(),
  stderr: nowhere(),
  stdin: Readable.from([]),
  env: {},
  cwd: '/',
  home: '/',
  uid: 1000,
  root: false,
  hostSite: '/var/lib/stowage',
  signal: new AbortController().signal,
  now: () => new Date(0),
  program: '/main.ts',
  runtime: { node: '', openssl: '', sharedOpenssl: false, flags: [], libraries: () => [] },
};

/** The options of each command, by its name; a group has those of its members. */
const commands = new Map(
  createProgram(terminal, async () => {}, everyGroup).commands.map((command) => [
    command.name(),
    [command, ...command.commands]
      .flatMap((each) => each.options)
      .flatMap((option) => [option.long, option.short]),
  ]),
);

/** Texts in code, as a person would type or read them: fenced commands and what stands between backticks. */
function codeOf(text: string): string[] {
  const lines = commandsOfPage(text).flatMap((block) => block.commands);
  return [...lines, ...[...text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '')];
}

/** The links of a page that are neither addresses nor anchors. */
function linksOf(text: string): string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => (match[1] ?? '').replace(/#.*$/, ''))
    .filter((link) => link !== '' && !/^[a-z]+:/.test(link));
}

describe.each(pages)('when %s is read', (page) => {
  it('has links that lead somewhere', () => {
    for (const link of linksOf(read(page)))
      expect(existsSync(join(root, dirname(page), link)), link).toBe(true);
  });
});

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(text: string): ReadonlySet<string> {
  const seen = new Map<string, number>();
  const headings = [...text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#{1,6} (.*)$/gm)];
  return new Set(
    headings.map(([, heading = '']) => {
      const slug = heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-');
      const count = seen.get(slug) ?? 0;
      seen.set(slug, count + 1);
      return count === 0 ? slug : `${slug}-${count}`;
    }),
  );
}

describe.each(pages)('when a link of %s names a section', (page) => {
  it('names one that the page has', () => {
    const links = [...read(page).matchAll(/\]\(([^)\s#:]*)#([^)\s]+)\)/g)];
    for (const [, file = '', anchor = ''] of links) {
      const target = file === '' ? page : join(dirname(page), file);
      expect(anchorsOf(read(target)), `${target}#${anchor}`).toContain(anchor);
    }
  });
});

describe('when pages name error codes', () => {
  const known = Object.values(errorCodes).flat() as readonly string[];
  const end = (code: string): string => code.split('-').at(-1) ?? '';
  const start = (code: string): string => code.split('-', 1)[0] ?? '';
  const starts = new Set(known.map(start));
  const ends = new Set(known.map(end));

  it('names none that the program cannot fail with', () => {
    const named = pages
      .filter((page) => !page.startsWith('src/'))
      .flatMap((page) => [...read(page).matchAll(/`([a-z]+-[a-z]+)`/g)])
      .map((match) => match[1] ?? '')
      .filter((word) => starts.has(start(word)) && ends.has(end(word)));
    expect(named.filter((word) => !known.includes(word))).toEqual([]);
    expect(new Set(named).size).toBeGreaterThan(known.length / 2);
  });
});

describe('when a page has commands to type', () => {
  it('is among the pages whose commands a test types', () => {
    const typed = pages.filter((page) => commandsOfPage(read(page)).length > 0);
    expect(typed.toSorted()).toEqual(
      [...typedPages, clusterPage, fleetPage, hopsPage, perimeterPage].toSorted(),
    );
  });

  it('has them in fences, where that test looks', () => {
    for (const page of pages)
      expect(read(page), page).not.toMatch(/\n\n {4}(?:stowage|openssl|npm) /);
  });
});

describe.each(guides)('when somebody types what %s says', (page) => {
  const typed = codeOf(read(page))
    .flatMap(callsOf)
    .filter(([verb]) => verb !== undefined);

  it('finds each command and its options', () => {
    expect(typed).not.toHaveLength(0);
    for (const [verb = '', ...rest] of typed) {
      const line = [verb, ...rest].join(' ');
      if (verb === 'help') {
        const known = [
          'COMMAND',
          'commands',
          'errors',
          'findings',
          'licenses',
          'man',
          'site.yaml',
          ...commands.keys(),
        ];
        if (rest[0] !== undefined) expect(known, line).toContain(rest[0]);
        continue;
      }
      expect(commands.has(verb), line).toBe(true);
      for (const word of rest.filter((each) => /^--?[a-z]/.test(each)))
        expect(commands.get(verb), line).toContain(word);
    }
  });

  it('finds each option that stands alone in some command', () => {
    const options = new Set([...commands.values()].flat());
    // Of scripts/demo, and of k3s.
    const others = new Set(['--keep', '--disable-default-registry-endpoint']);
    const alone = codeOf(read(page)).filter((text) => /^--[a-z-]+( |$)/.test(text));
    for (const text of alone) {
      const [option = ''] = text.split(' ');
      if (!others.has(option)) expect(options, option).toContain(option);
    }
  });
});

describe('when a message names a command', () => {
  const texts = [...readSource()].flatMap(([, { path, code }]) =>
    // Comments are not messages.
    [...code.replace(/^\s*(?:\/\/|\*|\/\*\*).*$/gm, '').matchAll(COMMAND)].map((match) => ({
      path,
      verb: match[1] ?? '',
      options: [...(match[2] ?? '').matchAll(/ (--[a-z-]+)/g)].map((option) => option[1] ?? ''),
    })),
  );

  it('names one that exists, with options that it has', () => {
    expect(texts.length).toBeGreaterThan(100);
    const wrong = texts.flatMap(({ path, verb, options }) => {
      if (PROSE.has(verb)) return [];
      const own = commands.get(verb) ?? (verb === 'help' ? [] : undefined);
      if (own === undefined) return [`${path}: stowage ${verb}`];
      const unknown = options.filter((option) => !own.includes(option));
      return unknown.map((option) => `${path}: stowage ${verb} ${option}`);
    });
    expect(wrong).toEqual([]);
  });
});

describe('when a document has a schema', () => {
  const told = [
    'manifests/README.md',
    'manifests/FORMATS.md',
    'manifests/KUBERNETES.md',
    'manifests/CHARTS.md',
    'manifests/EVALUATIONS.md',
    'manifests/REHEARSAL.md',
    'manifests/FLEET.md',
    'signing/README.md',
    'signing/KEYS.md',
    'signing/TRUST.md',
  ]
    .flatMap((page) => [...read(page).matchAll(/`([^`\n]+)`/g)])
    .map((match) => match[1] ?? '');

  it.each(globSync('*.json', { cwd: join(root, 'manifests/schema') }))(
    'has every field of %s on a page',
    (name) => {
      const fields = new Set(fieldsOf(JSON.parse(read(`manifests/schema/${name}`))));
      const words = new Set(told.flatMap((text) => text.match(/[A-Za-z0-9]+/g) ?? []));
      expect([...fields].filter((field) => !words.has(field.replace('$', '')))).toEqual([]);
    },
  );
});

/** The names of all properties that a JSON Schema knows, at any depth. */
function fieldsOf(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const { properties = {} } = schema as { properties?: object };
  return [...Object.keys(properties), ...Object.values(schema).flatMap(fieldsOf)];
}

describe('when the help of a command shows what people type', () => {
  const leaves = visibleCommands(createProgram(terminal, async () => {}, everyGroup)).flatMap(
    (command) => [
      ...(command.commands.length === 0 || ['depot', 'evaluate'].includes(command.name())
        ? [command.name()]
        : []),
      ...command.commands.map((each) => `${command.name()} ${each.name()}`),
    ],
  );

  it('has an example for every command, and for no other', () => {
    expect(Object.keys(examples).toSorted()).toEqual(leaves.toSorted());
  });

  it.each(Object.entries(examples))('can be typed: %s', async (path, lines) => {
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      expect(line.length, line).toBeLessThan(100);
      expect(`${line} `).toMatch(new RegExp(`^stowage ${path} `));
      expect(await ranBy(wordsOf(line)), line).toBe(1);
    }
  });
});

/** The words of a line, as a shell reads them; what follows `>` or `<` is the shell's. */
function wordsOf(line: string): string[] {
  const [typed = ''] = line.split(/ [<>] /);
  return [...typed.matchAll(/"([^"]*)"|(\S+)/g)]
    .map((match) => match[1] ?? match[2] ?? '')
    .slice(1);
}

/** How many commands these words run. */
async function ranBy(words: readonly string[]): Promise<number> {
  let count = 0;
  const run = async (): Promise<void> => {
    count += 1;
  };
  try {
    await createProgram(terminal, run, everyGroup).parseAsync(['node', 'stowage', ...words]);
  } catch (error) {
    if (commanderStatus(error) === undefined) throw error;
  }
  return count;
}
