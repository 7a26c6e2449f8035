import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { beforeAll, describe, expect, it } from 'vitest';
import { visibleCommands } from '../../src/cli/command-tree.ts';
import { everyGroup } from '../../src/cli/every-group.ts';
import { createProgram, disconnectedGroups } from '../../src/cli/program.ts';
import { PRODUCT_VERSION } from '../../src/core/product.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { readYaml } from '../../src/format/yaml-document.ts';
import { encodeCertificate } from '../../src/trust/certificate-file.ts';
import { fakeTerminal, type Ran, runProgram } from '../support/fake-terminal.ts';
import { scratchFolder } from '../support/scratch.ts';
import { makeAuthority, resign, type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { tree } from '../support/tree.ts';

const scratch = scratchFolder();
let small: SmallBundle;

beforeAll(async () => {
  small = await smallBundle({ place: scratch.fresh() });
});

function folder(): string {
  const place = scratch.fresh();
  mkdirSync(place);
  return place;
}

/** A folder with a copy of the bundle and its root. */
function carried(): string {
  const place = folder();
  writeFileSync(join(place, 'root.pem'), encodeCertificate(small.root));
  return place;
}

function json(ran: Ran): Record<string, unknown> {
  expect(ran.error).toBeUndefined();
  return JSON.parse(ran.stdout) as Record<string, unknown>;
}

describe('when the program is called', () => {
  const commands: readonly Command[] = visibleCommands(
    createProgram(fakeTerminal('/').terminal, async () => {}, everyGroup),
  );

  it('has every command of the design', () => {
    const names = commands.map((command) => command.name());
    for (const name of ['init', 'lock', 'pack', 'pki', 'sign', 'inspect', 'verify', 'install'])
      expect(names).toContain(name);
    for (const name of ['status', 'rollback', 'uninstall']) expect(names).toContain(name);
    expect(new Set(names).size).toBe(names.length);
  });

  const leaves = commands.flatMap((command) =>
    command.commands.length === 0 ? [command] : command.commands,
  );
  it.each(leaves.map((command) => [command.name(), command] as const))(
    'describes %s and each of its options, and adds --json',
    (_, command) => {
      expect(command.description()).not.toBe('');
      const flags = command.options.map((option) => option.long);
      expect(flags).toEqual(expect.arrayContaining(['--json', '--quiet', '--verbose']));
      for (const option of command.options) {
        expect(option.description).not.toBe('');
        // A flag that skips a signature does not exist.
        expect(option.long).not.toMatch(/skip|force|no-verify|insecure-sign|allow-unsigned/);
      }
    },
  );

  it.each(commands.map((command) => command.name()))(
    'prints help for %s on stdout',
    async (name) => {
      const ran = await runProgram([name, '--help'], folder());
      expect(ran).toMatchObject({ status: 0, stderr: '' });
      expect(ran.stdout).toContain(`Usage: stowage ${name}`);
    },
  );

  it('prints help and version with status 0', async () => {
    const help = await runProgram(['--help'], folder());
    expect(help).toMatchObject({ status: 0, stderr: '' });
    expect(help.stdout).toContain(
      'Exit status: 0 success, 1 failure, 2 usage error, 3 rolled back',
    );
  });

  it('lists ten commands first, in a page of a terminal', async () => {
    const { stdout } = await runProgram(['--help'], folder());
    const listed = [...stdout.matchAll(/^ {2}([a-z-]+) /gm)].map((match) => match[1]);
    expect(listed).toEqual([
      ...['init', 'lock', 'pack', 'sign', 'verify'],
      ...['install', 'status', 'logs', 'rollback', 'uninstall', 'help'],
    ]);
    expect(stdout.split('\n').length).toBeLessThan(50);
  });

  it('lists those of a site first in the installer', async () => {
    const { terminal, stdout } = fakeTerminal(folder());
    const installer = createProgram(terminal, async () => {}, disconnectedGroups);
    await installer.parseAsync(['node', 'stowage', '--help']).catch(() => {});
    const listed = [...stdout().matchAll(/^ {2}([a-z-]+) /gm)].map((match) => match[1]);
    expect(listed).toEqual([
      ...['doctor', 'inspect', 'verify'],
      ...['import', 'install', 'plan', 'status', 'logs', 'rollback', 'uninstall', 'help'],
    ]);
  });

  it.each([[['--version']], [['-V']], [['-v']], [['version']]])(
    'prints the version for %j',
    async (args) => {
      const ran = await runProgram(args, folder());
      expect(ran).toMatchObject({ status: 0, stdout: `${PRODUCT_VERSION}\n`, stderr: '' });
    },
  );

  it.each([
    ['validate', 'check'],
    ['upgrade', 'install'],
    ['ls', 'status'],
    ['ps', 'status'],
    ['remove', 'uninstall'],
    ['store ls', 'store list'],
  ])('accepts %s for %s', async (alias, name) => {
    const asked = await runProgram(['help', ...alias.split(' ')], folder());
    expect(asked.stdout).toContain(`Usage: stowage ${name} `);
    expect(asked.stdout).toContain(`stowage ${alias}`);
    const all = await runProgram(['help', 'commands'], folder());
    expect(all.stdout).toMatch(new RegExp(`^  (?:.*, )?${alias}(?:,.*)? +same as ${name}$`, 'm'));
  });

  it('accepts -f for the manifest, and not another one in addition', async () => {
    const place = folder();
    await runProgram(['init', '-f', 'a.yaml'], place);
    expect(await runProgram(['validate', '-f', 'a.yaml'], place)).toMatchObject({ status: 0 });
    expect(await runProgram(['check', 'a.yaml', '--file', 'a.yaml'], place)).toMatchObject({
      status: 0,
    });
    expect(await runProgram(['check', 'b.yaml', '-f', 'a.yaml'], place)).toMatchObject({
      status: 2,
      error: { code: 'usage-invalid' },
    });
  });

  it.each([
    ['-q', '--quiet', /^$/],
    ['-v', '--verbose', /^verify trust document\nverify signatures\n/],
  ])('prints with %s what it says', async (short, long, stderr) => {
    const place = carried();
    for (const flag of [short, long]) {
      const args = ['verify', small.folder, '--trust', 'root.pem', flag];
      const ran = await runProgram(args, place);
      expect(ran.status).toBe(0);
      expect(ran.stderr).toMatch(stderr);
    }
  });

  it('keeps warnings and errors with --quiet, and shows causes with --verbose', async () => {
    const quiet = await runProgram(['inspect', 'nowhere', '-q'], folder());
    expect(quiet).toMatchObject({ status: 1, error: { code: 'bundle-absent' } });
    expect(quiet.stderr).toContain('[bundle-absent]');
    expect(quiet.stderr).not.toContain('caused by');
    const verbose = await runProgram(['lock', 'nowhere.yaml', '-v'], folder());
    expect(verbose.stderr).toMatch(/\n {2}caused by: Error ENOENT\n$/);
  });

  const misuses: readonly (readonly string[])[] = [
    [],
    ['instal'],
    ['--unknown'],
    ['verify'],
    ['verify', 'x'],
    ['verify', 'x', '--trust'],
    ['split', 'x', 'y', '--disc-size', '25GB'],
    ['split', 'x'],
    ['split', 'x', '--disc-size', '25'],
    ['pack', '--parity-discs', '1'],
    ['pack', '--parity', '1', '--parity-discs', '1', '--disc-size', 'bd25'],
    ['pack', '--parity', '17'],
    ['pack', '--from', 'x'],
    ['inspect', 'x', '--unknown'],
    ['lock', '--seq', '0'],
    ['lock', '--seq', '1.5'],
    ['rollback', '--to', '-1'],
    ['rollback', '--to', 'two'],
    ['uninstall'],
    ['sign', 'x'],
  ];

  it.each(misuses.map((args) => [args.join(' '), args] as const))(
    'refuses "stowage %s" with status 2 and nothing on stdout',
    async (_, args) => {
      const place = folder();
      const ran = await runProgram(args, place);
      expect(ran).toMatchObject({ status: 2, stdout: '' });
      if (args.length > 0) expect(ran.stderr).toContain('stowage: error: ');
      expect(tree(place)).toEqual({});
    },
  );
});

describe('when a manifest is created', () => {
  it('is valid as it is', async () => {
    const place = folder();
    const ran = await runProgram(['init'], place);
    const path = join(place, 'stowage.yaml');
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    expect(ran.stdout).toContain(path);
    expect(readYaml(manifestKind, readFileSync(path))).toMatchObject({ name: 'chat' });
  });

  it('names the schema of this package for editors, where it is', async () => {
    const place = folder();
    await runProgram(['init'], place);
    const [first = ''] = readFileSync(join(place, 'stowage.yaml'), 'utf8').split('\n');
    const [, schema = ''] = /^# yaml-language-server: \$schema=(file:\S+)$/.exec(first) ?? [];
    const { title } = JSON.parse(readFileSync(new URL(schema), 'utf8')) as { title: string };
    expect(title).toBe('manifest');
  });

  it('names the schema by a relative path in a project that has this package', async () => {
    const place = folder();
    const installed = join(place, 'node_modules/stowage');
    mkdirSync(join(installed, 'manifests/schema'), { recursive: true });
    writeFileSync(join(installed, 'manifests/schema/manifest.schema.json'), '{}');
    await runProgram(['init'], place, { program: join(installed, 'dist/main.js') });
    expect(readFileSync(join(place, 'stowage.yaml'), 'utf8')).toMatch(
      '# yaml-language-server: $schema=node_modules/stowage/manifests/schema/manifest.schema.json\n',
    );
    await runProgram(['init', 'a.yaml'], place, { program: '/nowhere/dist/main.js' });
    expect(readFileSync(join(place, 'a.yaml'), 'utf8')).not.toContain('yaml-language-server: $');
  });

  it('returns the path as JSON and overwrites nothing', async () => {
    const place = folder();
    expect(json(await runProgram(['init', 'a.yaml', '--json'], place))).toEqual({
      manifest: join(place, 'a.yaml'),
    });
    writeFileSync(join(place, 'a.yaml'), 'mine');
    const again = await runProgram(['init', 'a.yaml'], place);
    expect(again).toMatchObject({ status: 1, error: { code: 'output-exists' }, stdout: '' });
    expect(readFileSync(join(place, 'a.yaml'), 'utf8')).toBe('mine');
  });

  it('refuses a folder that does not exist', async () => {
    const ran = await runProgram(['init', 'nowhere/a.yaml'], folder());
    expect(ran.error?.code).toBe('file-missing');
  });
});

describe('when a bundle is inspected', () => {
  it('shows its contents and that nothing was verified', async () => {
    const before = tree(small.folder);
    const ran = await runProgram(['inspect', small.folder], folder());
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    for (const text of [
      'chat 1.0.0, channel stable, sequence 1',
      'signatures were not checked; use --trust',
      'NOT VERIFIED',
      /tiny {2}4\.9 KiB {2}example\/tiny at [0-9a-f]{40}, license apache-2\.0/,
      /4\.9 KiB {2}model\.safetensors/,
      /server {2}2\.0 KiB {2}registry\.example\/server:1/,
      /linux\/(?:amd|arm)64 {2}sha256:[0-9a-f]{64}, 1 layer, 2\.0 KiB/,
      'settings  24 B  settings.json, from ./settings.json',
      'server  image server',
      'lock.json',
    ])
      expect(ran.stdout).toMatch(text);
    const data = json(await runProgram(['inspect', small.folder, '--json'], folder()));
    const { id, bundle } = small;
    const [image] = bundle.images;
    const platforms = [
      { image: 'server', manifest: image?.target.digest, layers: [{ size: 2048 }] },
    ];
    expect(data).toMatchObject({ verified: false, id, bundle, platforms });
    expect(tree(small.folder)).toEqual(before);
  });

  it.each([
    ['C', { LC_ALL: 'C', LANG: 'en_US.UTF-8' }, /^\|-- models/m, /[^\n -~]/],
    ['C.UTF-8', { LC_ALL: 'C.UTF-8' }, /^├─ models/m, /\|-- |`-- /],
    ['an unset locale', {}, /^\|-- models/m, /[^\n -~]/],
    ['the kernel console', { LANG: 'en_US.UTF-8', TERM: 'linux' }, /^\|-- models/m, /[^\n -~]/],
  ])('draws trees for %s', async (_, env, drawn, not) => {
    for (const args of [
      ['inspect', small.folder],
      ['diff', small.folder, small.folder],
    ]) {
      const { stdout } = await runProgram(args, folder(), { env });
      if (args[0] === 'inspect') expect(stdout).toMatch(drawn);
      expect(stdout).not.toMatch(not);
    }
  });

  it('shows the signers if given trust, and that parts were not read', async () => {
    const place = carried();
    const ran = await runProgram(['inspect', small.folder, '--trust', 'root.pem'], place);
    expect(ran.status).toBe(0);
    expect(ran.stdout).toContain('signed by O=Example Agency, CN=Example Agency Release');
    expect(ran.stdout).toContain('parts were not read');
    expect(ran.stderr).toContain('verify signatures\n');
    const args = ['inspect', small.folder, '--trust', 'root.pem', '--json'];
    expect(json(await runProgram(args, place))).toMatchObject({
      verified: 'signatures',
      signers: [{ counted: true }],
    });
  });

  it.each([
    ['', []],
    [' with a report', ['--report', 'report.json']],
  ])(
    'reports every missing, damaged and foreign file%s, by the worst exit status',
    async (_, more) => {
      const copy = scratch.copy(small.folder);
      const verify = (): Promise<Ran> =>
        runProgram(['verify', copy, '--trust', 'root.pem', ...more], carried());
      const [lost = '', damaged = ''] = small.bundle.blobs.map((each) => each.parts[0]?.path ?? '');
      rmSync(join(copy, lost));
      expect(await verify()).toMatchObject({ status: 1, error: { code: 'part-missing' } });
      const bytes = readFileSync(join(copy, damaged));
      writeFileSync(join(copy, damaged), Buffer.alloc(bytes.length, 1));
      const two = await verify();
      expect(two).toMatchObject({ status: 10, error: { code: 'part-damaged' } });
      expect(two.error?.defects).toHaveLength(2);
      writeFileSync(join(copy, 'foreign'), '');
      rmSync(join(copy, 'README.txt'));
      writeFileSync(join(copy, 'OPERATOR.txt'), 'changed');
      const { status, error } = await verify();
      expect(status).toBe(10);
      expect(error?.defects).toHaveLength(5);
      for (const each of [damaged, `missing: ${lost}`, '"foreign"', 'README.txt', 'OPERATOR.txt'])
        expect(error?.defects.join('\n')).toContain(each);
    },
  );

  it('escapes control characters in a bundle (attack 83)', async () => {
    const place = scratch.copy(small.folder);
    resign(place, small, { index: (bundle) => ({ ...bundle, description: 'exe\u202egpj' }) });
    const ran = await runProgram(['inspect', place], folder());
    expect(ran.stdout).toContain('exe<U+202E>gpj');
    expect(ran.stdout).not.toContain('\u202e');
  });

  it('refuses a folder that is not a bundle', async () => {
    const place = folder();
    const ran = await runProgram(['inspect', '.'], place);
    expect(ran).toMatchObject({ status: 1, stdout: '', error: { code: 'bundle-absent' } });
    expect(ran.stderr).toContain('stowage: error: SHA512SUMS is missing');
    expect(ran.stderr).toContain('  hint: ');
  });
});

describe('when a bundle is verified', () => {
  it('prints the result on stdout and the steps on stderr', async () => {
    const place = carried();
    const ran = await runProgram(['verify', small.folder, '--trust', 'root.pem'], place);
    expect(ran.status).toBe(0);
    expect(ran.stdout).toContain('verified: chat 1.0.0 is complete and correctly signed');
    expect(ran.stdout).toContain(small.id);
    expect(ran.stdout).toContain(small.root.fingerprint);
    const steps = ran.stderr.trimEnd().split('\n');
    expect(steps).toEqual(
      expect.arrayContaining(['verify signatures', 'verify index', 'verify list of files']),
    );
    expect(steps.at(-1)).toMatch(/^verify: [0-9]+ parts$/);
  });

  it('prints the result as JSON, and JSON lines on stderr', async () => {
    const place = carried();
    const args = ['verify', small.folder, '--trust', 'root.pem', '--json'];
    const ran = await runProgram(args, place);
    const told = ran.stderr.trimEnd().split('\n');
    const types = told.map((line) => (JSON.parse(line) as { type: string }).type);
    expect(new Set(types)).toEqual(new Set(['step', 'progress']));
    expect(json(ran)).toMatchObject({
      verified: true,
      name: 'chat',
      version: '1.0.0',
      seq: 1,
      id: small.id,
      trust: small.root.fingerprint,
    });
  });

  it('refuses a changed byte and names the file', async () => {
    const place = carried();
    const broken = scratch.copy(small.folder);
    const path = small.bundle.blobs[0]?.parts[0]?.path ?? '';
    const bytes = readFileSync(join(broken, path));
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    writeFileSync(join(broken, path), bytes);
    const ran = await runProgram(['verify', broken, '--trust', 'root.pem'], place);
    expect(ran).toMatchObject({ status: 10, stdout: '', error: { code: 'part-damaged' } });
    expect(ran.stderr).toContain(path);
  });

  it('refuses another root, and a trust file that is invalid or missing', async () => {
    const place = folder();
    writeFileSync(join(place, 'other.pem'), encodeCertificate(makeAuthority('Mallory').root));
    writeFileSync(join(place, 'text'), 'hello');
    const cases = [
      ['other.pem', 'signer-untrusted', 10],
      ['text', 'certificate-invalid', 10],
      ['nowhere', 'file-missing', 1],
    ] as const;
    for (const [file, code, status] of cases) {
      const ran = await runProgram(['verify', small.folder, '--trust', file], place);
      expect(ran).toMatchObject({ status, stdout: '', error: { code } });
    }
  });
});

describe('when a throwaway authority signs', () => {
  it('creates private keys with mode 0600 and a signature that verifies', async () => {
    const place = folder();
    const bundle = scratch.copy(small.folder);
    const made = json(await runProgram(['pki', 'keys', '--json'], place));
    expect(made).toMatchObject({ folder: join(place, 'keys') });
    expect(readdirSync(join(place, 'keys')).toSorted()).toEqual(
      ['release.key.pem', 'release.pem', 'root.key.pem', 'root.pem'].toSorted(),
    );
    expect(statSync(join(place, 'keys')).mode & 0o777).toBe(0o700);
    for (const name of ['root.key.pem', 'release.key.pem'])
      expect(statSync(join(place, 'keys', name)).mode & 0o777).toBe(0o600);
    const signing = ['--key', 'keys/release.key.pem', '--certificate', 'keys/release.pem'];
    const before = tree(bundle);
    const signed = await runProgram(['sign', bundle, ...signing, '--name', 'trial'], place);
    expect(signed).toMatchObject({ status: 0 });
    expect(signed.stdout).toContain('signatures/trial.p7s');
    const { 'signatures/trial.p7s': added, ...rest } = tree(bundle);
    expect(added).toBeDefined();
    expect(rest).toEqual(before);
    const trust = ['--trust', 'keys/root.pem'];
    const checked = json(await runProgram(['verify', bundle, ...trust, '--json'], place));
    expect(checked['trust']).toBe(made['fingerprint']);
    const again = await runProgram(['sign', bundle, ...signing, '--name', 'trial'], place);
    expect(again).toMatchObject({ status: 1, error: { code: 'output-exists' } });
  });

  it('never overwrites another authority', async () => {
    const place = folder();
    await runProgram(['pki', 'keys'], place);
    const before = tree(place);
    const again = await runProgram(['pki', 'keys'], place);
    expect(again).toMatchObject({ stdout: '', error: { code: 'output-exists' } });
    expect(tree(place)).toEqual(before);
  });

  it('refuses the key of another certificate and leaves no signature', async () => {
    const place = folder();
    const bundle = scratch.copy(small.folder);
    await runProgram(['pki', 'keys'], place);
    const before = tree(bundle);
    const args = ['--key', 'keys/root.key.pem', '--certificate', 'keys/release.pem'];
    const ran = await runProgram(['sign', bundle, ...args], place);
    expect(ran).toMatchObject({ status: 1, error: { code: 'key-invalid' } });
    expect(tree(bundle)).toEqual(before);
  });

  it.each(['../escape', 'UPPER', '', '.hidden', 'a/b'])(
    'refuses the name %j for a signature',
    async (name) => {
      const place = folder();
      const bundle = scratch.copy(small.folder);
      await runProgram(['pki', 'keys'], place);
      const before = tree(bundle);
      const args = ['--key', 'keys/release.key.pem', '--certificate', 'keys/release.pem'];
      const ran = await runProgram(['sign', bundle, ...args, '--name', name], place);
      expect(ran).toMatchObject({ status: 2, error: { code: 'usage-invalid' } });
      expect(tree(bundle)).toEqual(before);
    },
  );
});

describe('when a site is queried', () => {
  it('reports that nothing is installed and creates nothing', async () => {
    const place = folder();
    mkdirSync(join(place, 'site'));
    writeFileSync(join(place, 'site/site.yaml'), 'apiVersion: stowage/v1\nname: plant\n');
    const before = tree(place);
    const ran = await runProgram(['status', '--root', 'site'], place);
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^site .*: nothing is installed\n$/);
    const data = json(await runProgram(['status', '--root', 'site', '--json'], place));
    expect(data).toMatchObject({ root: join(place, 'site'), generation: { number: 0 } });
    expect(tree(place)).toEqual(before);
  });

  it.each([
    ['--root', ['--root', 'a'], { STOWAGE_ROOT: '/b' }, true, 'a'],
    ['STOWAGE_ROOT', [], { STOWAGE_ROOT: 'b' }, true, 'b'],
    ['root', [], {}, true, '/var/lib/stowage'],
    ['XDG_DATA_HOME', [], { XDG_DATA_HOME: '/data' }, false, '/data/stowage'],
    ['a home', [], {}, false, '.local/share/stowage'],
  ])('finds its folder by %s', async (_, args, env, root, expected) => {
    const place = folder();
    const { siteRoot, commandContext } = await import('../../src/cli/command.ts');
    const { terminal } = fakeTerminal(place, { env, root });
    const { signal, now } = terminal;
    const context = commandContext(terminal, { signal, now, emit: () => {} });
    const found = siteRoot(context, args[1]);
    expect(found).toBe(expected.startsWith('/') ? expected : join(place, expected));
  });

  it('refuses to install without trust or with another fingerprint', async () => {
    const place = carried();
    const args = ['install', small.folder, '--root', 'site'];
    const none = await runProgram(args, place);
    expect(none).toMatchObject({ status: 10, error: { code: 'trust-missing' } });
    for (const command of ['install', 'import']) {
      const nowhere = await runProgram([command, 'no-such-folder-1.0.0'], place);
      expect(nowhere).toMatchObject({ status: 1, error: { code: 'bundle-absent' } });
    }
    const trust = ['--trust', 'root.pem'];
    const unasked = await runProgram([...args, ...trust], place);
    expect(unasked).toMatchObject({ status: 10, error: { code: 'trust-unconfirmed' } });
    const wrong = `${'0'.repeat(63)}1`;
    const other = await runProgram([...args, ...trust, '--fingerprint', wrong], place);
    expect(other).toMatchObject({ status: 10, error: { code: 'trust-unconfirmed' } });
    expect(tree(join(place, 'site'))).toEqual({});
  });
});
