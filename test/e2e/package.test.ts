import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { beforeAll, describe, expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const scratch = scratchFolder();
const user = scratch.fresh('user');
const installed = join(user, 'node_modules/stowage');

/** Runs a program as a user would who has Node and this package, but not the project. */
function run(command: string, ...args: readonly string[]): SpawnSyncReturns<string> {
  const PATH = `${join(project, 'node_modules/node/bin')}:${process.env['PATH']}`;
  const npm = {
    npm_config_cache: join(scratch.root, 'cache'),
    npm_config_offline: 'true',
    npm_config_loglevel: 'error',
    npm_config_userconfig: join(scratch.root, 'npmrc'),
  };
  const places = {
    STOWAGE_STORE: join(scratch.root, 'store'),
    STOWAGE_ROOT: join(scratch.root, 'site'),
  };
  const env = { ...process.env, ...npm, ...places, PATH };
  return spawnSync(command, args, { cwd: user, env, encoding: 'utf8' });
}

function done(command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = run(command, ...args);
  expect(status, `${command} ${args.join(' ')}: ${stdout}${stderr}`).toBe(0);
  return stdout;
}

beforeAll(() => {
  mkdirSync(user);
  const pack = ['pack', project, '--ignore-scripts', '--pack-destination', scratch.root];
  const tarball = join(scratch.root, done('npm', ...pack).trim());
  writeFileSync(join(user, 'package.json'), '{ "private": true, "type": "module" }\n');
  // Without a network and with an empty cache, because it has no dependencies.
  done('npm', 'install', '--no-audit', '--no-fund', tarball);
});

describe('when the package is packed', () => {
  it('contains the program, the library, the documents and the licenses', () => {
    const wanted = [
      ...[
        'dist/main.js',
        'dist/index.js',
        'dist/types/index.d.ts',
        'dist/THIRD-PARTY.txt',
        'dist/man/stowage.1',
      ],
      ...['manifests/README.md', 'manifests/schema/manifest.schema.json', 'signing/README.md'],
      ...['LICENSE', 'README.md', 'CHANGELOG.md', 'package.json'],
    ];
    expect(wanted.filter((path) => !existsSync(join(installed, path)))).toEqual([]);
  });

  it('contains no tests, sources, scripts or installers', () => {
    expect(readdirSync(installed).toSorted()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'dist',
      'manifests',
      'package.json',
      'signing',
    ]);
    const files = globSync('**/*', { cwd: installed });
    expect(files.filter((path) => /\.test\.|installer\/|(?<!\.d)\.ts$|\.map$/.test(path))).toEqual(
      [],
    );
  });

  it('has no dependencies', () => {
    expect(readdirSync(join(user, 'node_modules')).filter((each) => !each.startsWith('.'))).toEqual(
      ['stowage'],
    );
  });

  it('names the license of each included package', () => {
    const text = readFileSync(join(installed, 'dist/THIRD-PARTY.txt'), 'utf8');
    for (const name of ['commander', 'node-forge', 'zod', 'yaml', '@huggingface/hub'])
      expect(text).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+, .`, 'm'));
  });

  it('passes publint', async () => {
    const { messages } = await publint({ pkgDir: installed, strict: true, pack: false });
    expect(messages).toEqual([]);
  });
});

describe('when the package is used', () => {
  it('creates, signs and verifies a bundle with npx, with nothing else installed', () => {
    expect(done('npx', 'stowage', '--version')).toBe('0.1.0\n');
    writeFileSync(join(user, 'note.txt'), 'carried\n');
    writeFileSync(
      join(user, 'stowage.yaml'),
      'apiVersion: stowage/v1\nname: note\nversion: 1.0.0\nfiles:\n  - { name: note, source: ./note.txt }\n',
    );
    done('npx', 'stowage', 'lock');
    done('npx', 'stowage', 'pack', '--no-installer');
    done('npx', 'stowage', 'pki', 'keys');
    const key = ['--key', 'keys/release.key.pem', '--certificate', 'keys/release.pem'];
    done('npx', 'stowage', 'sign', 'note-1.0.0', ...key);
    done('npx', 'stowage', 'verify', 'note-1.0.0', '--trust', 'keys/root.pem');
  });

  it('explains where installers come from, before anything is written', () => {
    const { status, stderr } = run('npx', 'stowage', 'pack', '--output', 'with-installers');
    expect(status).toBe(1);
    expect(stderr).toMatch(/there is no installer for linux\/amd64 \[file-missing\]/);
    expect(stderr).toContain('--no-installer');
    expect(existsSync(join(user, 'with-installers'))).toBe(false);
  });

  it('provides types for TypeScript programs with strict settings', () => {
    writeFileSync(
      join(user, 'consumer.ts'),
      `import { type Manifest, manifestKind, readTrust, readYaml, StowageError } from 'stowage';

const bytes = Buffer.from('apiVersion: stowage/v1');
try {
  const manifest: Manifest = readYaml(manifestKind, bytes);
  console.log(manifest.models.map(({ source }) => source.toUpperCase()));
  // @ts-expect-error a version is text
  manifest.version satisfies number;
  readTrust(bytes, new Date()) satisfies object;
} catch (error) {
  if (error instanceof StowageError) console.log(error.code);
}
`,
    );
    mkdirSync(join(user, 'node_modules/@types'));
    for (const name of ['@types/node', 'undici-types'])
      symlinkSync(join(project, 'node_modules', name), join(user, 'node_modules', name));
    const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess'];
    const modules = ['--module', 'nodenext', '--moduleResolution', 'nodenext', '--types', 'node'];
    const tsc = join(project, 'node_modules/.bin/tsc');
    const checked = ['--skipLibCheck', 'false', '--target', 'es2024', '--outDir', 'out'];
    done(tsc, ...strict, ...modules, ...checked, 'consumer.ts');
    expect(done('node', 'out/consumer.js')).toBe('manifest-invalid\n');
  });
});
