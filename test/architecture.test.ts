import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  cycle,
  type Import,
  longestChain,
  reach,
  readSource,
  scan,
} from './support/import-graph.ts';

const source = readSource();
const files = [...source.values()];

/** What each folder may import besides itself. */
const below: Readonly<Record<string, readonly string[]>> = {
  core: [],
  format: ['core'],
  content: ['core', 'format'],
  parity: ['core'],
  io: ['core', 'format', 'parity'],
  trust: ['core', 'format'],
  net: ['core'],
  source: ['core', 'format', 'io', 'net'],
  examine: ['core', 'format', 'io'],
  build: ['core', 'format', 'content', 'io', 'parity', 'trust', 'net', 'source', 'examine'],
  depot: ['core', 'format', 'content', 'io', 'trust'],
  target: ['core', 'format', 'io', 'trust'],
  push: ['core', 'format', 'io', 'net'],
  remote: ['core', 'format', 'io', 'net', 'push', 'bundle'],
  bundle: ['core', 'format', 'content', 'io', 'trust'],
  site: ['core', 'format', 'content', 'io', 'parity', 'trust', 'depot', 'target', 'bundle'],
  fleet: ['core', 'format', 'io', 'trust', 'bundle'],
  cli: [
    'core',
    'format',
    'content',
    'io',
    'parity',
    'trust',
    'net',
    'source',
    'examine',
    'build',
    'depot',
    'push',
    'remote',
    'target',
    'bundle',
    'site',
    'fleet',
  ],
};

/** The files that may import a package, by a prefix of their paths. */
const importers: Readonly<Record<string, readonly string[]>> = {
  zod: ['format/'],
  yaml: ['format/compose-yaml.ts', 'format/yaml-document.ts', 'format/object-stream.ts'],
  tar: ['io/archive.ts'],
  'node-forge': ['trust/der.ts'],
  ssri: ['core/digest.ts'],
  commander: ['cli/'],
  ora: ['cli/'],
  '@huggingface/hub': ['source/'],
  picomatch: ['examine/glob.ts'],
  '@kubernetes/client-node': ['target/kubernetes/api/'],
  '@sigstore/verify': ['build/upstream/sigstore-verifier.ts'],
  '@sigstore/bundle': ['build/upstream/sigstore-verifier.ts'],
  '@sigstore/protobuf-specs': ['build/upstream/sigstore-verifier.ts'],
};

const SOCKETS = /^(?:node:)?(?:https?|http2|net|tls|dns|dns\/promises|dgram)$/;
/** `source/` and `push/` ask through `net/` alone. */
const WITH_SOCKETS = ['net/', 'depot/', 'target/'];
/** Named imports that open no connection to anywhere. */
const HARMLESS: Readonly<Record<string, string>> = {
  'format/egress.ts': '{ isIP }',
  'target/host/host-probe.ts': '{ createServer }',
  'format/site.ts': '{ isIP }',
  'format/known-egress.ts': '{ isIP }',
  'io/byte-source.ts': '{ Socket }',
};

/** The connected wing: no site needs it, and nothing that runs at a site reaches it. */
const CONNECTED = ['source', 'examine', 'build', 'fleet'];

const DISCONNECTED = [
  ...[
    'verify',
    'inspect',
    'diff',
    'install',
    'import',
    'repair-list',
    'status',
    'rollback',
    'uninstall',
    'sign',
    'depot',
  ],
  ...['trust-draft', 'trust-show', 'trust-sign', 'trust-apply'],
];

/** Commands that share a file with others. */
const SHARED: Readonly<Record<string, string>> = {
  rollback: 'apply',
  'trust-show': 'trust',
  'trust-sign': 'trust',
  'trust-apply': 'trust',
};

const layer = (path: string): string => path.split('/')[0] ?? '';
const allowed = (path: string, prefixes: readonly string[]): boolean =>
  prefixes.some((prefix) => path.startsWith(prefix));

/** Every import with its file, of those that a rule is about. */
function* importsWhere(
  wanted: (each: Import, path: string) => boolean,
): Generator<readonly [string, Import]> {
  for (const { path, imports } of files) {
    for (const each of imports) if (wanted(each, path)) yield [path, each];
  }
}

function offenders(wanted: (each: Import, path: string) => boolean): string[] {
  return [...importsWhere(wanted)].map(([path, { names, target }]) =>
    `${path} -> ${names} ${target}`.replace('  ', ' '),
  );
}

describe('when the program starts', () => {
  it('loads no package but commander: what commands need is loaded when one is called', () => {
    const seen = new Set<string>();
    const packages = new Set<string>();
    const visit = (path: string): void => {
      if (seen.has(path)) return;
      seen.add(path);
      const loaded = (source.get(path)?.imports ?? []).filter(
        ({ kind, names }) =>
          kind === 'static' && !/^type |^\{(?:\s*type [^,}]+,?)+\s*\}$/.test(names),
      );
      for (const { target } of loaded)
        if (source.has(target)) visit(target);
        else if (!target.startsWith('node:')) packages.add(`${target}, by ${path}`);
    };
    visit('cli/main.ts');
    expect(seen.size).toBeGreaterThan(20);
    expect([...packages].filter((each) => !each.startsWith('commander,'))).toEqual([]);
  });
});

describe('when the scanner reads imports', () => {
  it.each([
    ['a static import', "import { a } from './b.ts';", ['x/b.ts']],
    ['types', "import type { a } from '../b.ts';", ['b.ts']],
    ['several lines', "import {\n  a,\n  type b,\n} from '../y/b.ts';", ['y/b.ts']],
    ['an effect alone', "import 'b';", ['b']],
    ['an export from elsewhere', "export { a } from './b.ts';", ['x/b.ts']],
    ['an export of all', "export * from './b.ts';", ['x/b.ts']],
    ['a dynamic import', "const a = await import('./b.ts');", ['x/b.ts']],
    ['a dynamic import of types', "type A = import('./b.ts').A;", ['x/b.ts']],
    ['two on one line', "const a = [import('b'), import('c')];", ['b', 'c']],
    ['comments', "// import 'a';\n/* import 'b'; */\nimport 'c'; // import 'd'", ['c']],
    ['an address in a string', "const a = 'https://x';\nimport 'b';", ['b']],
  ])('sees %s', (_, text, targets) => {
    expect(scan('x/a.ts', text).imports.map((each) => each.target)).toEqual(targets);
  });

  it('finds as many as files that are known have', () => {
    const count = (path: string): number => source.get(path)?.imports.length ?? 0;
    expect(files.length).toBeGreaterThan(100);
    expect(count('core/error.ts')).toBe(2);
    expect(count('core/digest.ts')).toBe(3);
    expect(count('io/queue.ts')).toBe(0);
    expect(count('io/hashing.ts')).toBe(7);
    expect(files.flatMap((each) => each.imports).length).toBeGreaterThan(400);
    expect(offenders((each) => each.kind === 'dynamic').length).toBeGreaterThan(5);
  });

  it('misses no import keyword', () => {
    for (const { path, code, imports } of files) {
      const plain = code.replace(/`(?:[^`\\]|\\.)*`/g, '``');
      const words = plain.match(
        /\bimport\((?!\))|^\s*import\b(?!\.meta|:)|^\s*export[^;]*?\bfrom '/gm,
      );
      expect(imports.length, path).toBe(words?.length ?? 0);
    }
  });

  it('resolves every relative import to a file', () => {
    expect(offenders(({ target }) => /\.[jt]s$/.test(target) && !source.has(target))).toEqual([]);
  });
});

describe('when a layer imports', () => {
  it('points down only', () => {
    const wrong = offenders(({ target }, path) => {
      if (!source.has(target) || layer(path) === layer(target)) return false;
      if (path === 'index.ts') return ['cli', ...CONNECTED].includes(layer(target));
      return !(below[layer(path)] ?? []).includes(layer(target));
    });
    expect(wrong).toEqual([]);
  });

  it('knows every folder', () => {
    const folders = new Set(files.map(({ path }) => layer(path)));
    expect([...folders].sort()).toEqual([...Object.keys(below), 'index.ts'].sort());
  });

  // Merge what is one idea, or move what a file needs of another down, before raising these.
  it('goes no deeper, and fans out no wider, than it did', () => {
    expect(longestChain(source).length, longestChain(source).join(' -> ')).toBeLessThanOrEqual(30);
    const own = files.map(
      ({ imports }) =>
        new Set(imports.map(({ target }) => target).filter((target) => source.has(target))).size,
    );
    const edges = own.reduce((sum, each) => sum + each, 0);
    const lines = files.reduce((sum, each) => sum + each.lines, 0);
    expect(edges / files.length).toBeLessThan(7.1);
    expect(edges / (lines / 100)).toBeLessThan(5.6);
  });

  it('has few small files that only one other uses', () => {
    const users = (path: string): number =>
      files.filter(({ imports }) => imports.some(({ target }) => target === path)).length;
    const small = files.filter(({ path, lines }) => lines < 50 && users(path) === 1);
    expect(small.length, small.map(({ path }) => path).join(' ')).toBeLessThanOrEqual(20);
  });

  it('goes in no circle', () => {
    expect(cycle(source)?.join(' -> ')).toBeUndefined();
  });

  it.each(['content', 'bundle', 'site', 'target', 'depot', 'trust', 'push', 'remote'])(
    'never reaches a source from %s',
    (from) => {
      const starts = files.map(({ path }) => path).filter((path) => layer(path) === from);
      expect(starts.length).toBeGreaterThan(3);
      expect(connectedFrom(starts)).toEqual([]);
    },
  );

  it.each(DISCONNECTED)('never reaches a source from the command %s', (command) => {
    const start = `cli/commands/${SHARED[command] ?? command}.ts`;
    expect(source.has(start)).toBe(true);
    expect(connectedFrom([start])).toEqual([]);
  });

  it('never reaches a source from the travelling installer', () => {
    const start = 'cli/installer.ts';
    expect([...reach(source, [start]).keys()]).toContain('cli/commands/install.ts');
    expect(connectedFrom([start])).toEqual([]);
    expect(connectedFrom(['cli/main.ts'])).not.toEqual([]);
  });

  it('would see a source reached from a connected command', () => {
    expect(connectedFrom(['cli/commands/pack.ts'])).not.toEqual([]);
  });
});

function connectedFrom(starts: readonly string[]): string[] {
  return [...reach(source, starts)]
    .filter(([path]) => CONNECTED.includes(layer(path)))
    .map(([, chain]) => chain.join(' -> '));
}

describe('when a package or builtin is imported', () => {
  it.each(Object.entries(importers))('lets %s in at %s alone', (name, places) => {
    const uses = [
      ...importsWhere(({ target }) => target === name || target.startsWith(`${name}/`)),
    ];
    expect(uses.length, `nobody imports ${name}`).toBeGreaterThan(0);
    expect(uses.map(([path]) => path).filter((path) => !allowed(path, places))).toEqual([]);
  });

  it('keeps node builtins but node:crypto out of core', () => {
    expect(
      offenders(
        ({ target }, path) =>
          layer(path) === 'core' && target.startsWith('node:') && target !== 'node:crypto',
      ),
    ).toEqual([]);
  });

  it('names builtins by node: always', () => {
    expect(
      offenders(({ target }) => /^(?:fs|path|os|crypto|util|stream|events)(?:\/|$)/.test(target)),
    ).toEqual([]);
  });

  it('opens sockets in net/, the depot and targets only', () => {
    expect(
      offenders(
        ({ target, names }, path) =>
          SOCKETS.test(target) && !allowed(path, WITH_SOCKETS) && names !== HARMLESS[path],
      ),
    ).toEqual([]);
    expect([...importsWhere(({ target }) => SOCKETS.test(target))].length).toBeGreaterThan(3);
  });

  it('uses the global fetch, WebSocket and EventSource in net/, the depot and targets only', () => {
    const users = files.filter(({ code }) =>
      /(?<![.\w'])(?:fetch\(|new (?:WebSocket|EventSource)\()/.test(code),
    );
    const elsewhere = users.map(({ path }) => path).filter((path) => !allowed(path, WITH_SOCKETS));
    // Its `fetch` is a method of its own, over git.
    expect(elsewhere).toEqual(['source/git.ts']);
  });

  it('lets cli/process.ts and cli/executable.ts alone read process', () => {
    const readers = files.filter(
      ({ code, imports }) =>
        /(?<![\w.'`])process\b\s*(?:\.|\[|\?\.)/.test(withoutText(code)) ||
        imports.some(({ target }) => target === 'node:process'),
    );
    expect(readers.map(({ path }) => path)).toEqual(['cli/executable.ts', 'cli/process.ts']);
  });

  it('lets admission alone mint', () => {
    const uses = [
      ...importsWhere(
        ({ target, names }) =>
          target === 'bundle/admitted-bundle.ts' && (/\bmint\b/.test(names) || names.includes('*')),
      ),
    ];
    expect(uses.map(([path]) => path)).toEqual(['bundle/admission/admit.ts']);
    expect(
      files.filter(({ code }) => /new AdmittedBundle\(/.test(code)).map(({ path }) => path),
    ).toEqual(['bundle/admitted-bundle.ts']);
  });
});

const withoutText = (code: string): string => code.replace(/'(?:[^'\\\n]|\\.)*'/g, "''");

describe('when a file is written', () => {
  it('has at most 350 lines', () => {
    const long = files.filter(({ lines }) => lines > 350);
    expect(long.map(({ path, lines }) => `${path}: ${lines}`)).toEqual([]);
  });

  it('exports nothing by default', () => {
    expect(
      files.filter(({ code }) => /^export default\b/m.test(code)).map((each) => each.path),
    ).toEqual([]);
  });

  // In what esbuild splits, a dynamic import of a CommonJS package has no named exports: import it through a file of ours.
  it('loads a package on first use only if it is an ES module', () => {
    const names = files.flatMap(({ path }) =>
      [
        ...readFileSync(new URL(`../src/${path}`, import.meta.url), 'utf8').matchAll(
          /import\('([^.'][^']*)'\)/g,
        ),
      ].map(([, name = '']) => name),
    );
    expect(names).toContain('@huggingface/hub');
    const wrong = names.filter((name) => !name.startsWith('node:') && !isModule(name));
    expect(wrong).toEqual([]);
  });

  it('depends on no package that package.json does not list', () => {
    const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    const strange = ({ target }: Import): boolean => {
      if (source.has(target) || target.startsWith('node:')) return false;
      const [scope = '', name = ''] = target.split('/');
      return !Object.hasOwn(devDependencies, scope.startsWith('@') ? `${scope}/${name}` : scope);
    };
    expect(offenders(strange)).toEqual([]);
  });
});

/** Whether a package, or a subpath of it, is an ES module to a bundler that builds for Node. */
function isModule(name: string): boolean {
  const [, own = '', rest = ''] = /^((?:@[^/]+\/)?[^/]+)(.*)$/.exec(name) ?? [];
  const file = new URL(`../node_modules/${own}/package.json`, import.meta.url);
  const { type, exports } = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly type?: string;
    readonly exports?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  };
  const entry = exports?.[`.${rest}`];
  return type === 'module' || entry?.['import'] !== undefined || entry?.['module'] !== undefined;
}
