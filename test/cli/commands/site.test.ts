import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LedgerEntry } from '../../../src/format/ledger.ts';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { personScreen, type Ran, runProgram } from '../../support/fake-terminal.ts';
import { asNobody, needsReadableProject } from '../../support/other-user.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { skipBecause } from '../../support/skip-because.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { tree } from '../../support/tree.ts';

const scratch = scratchFolder();
let small: SmallBundle;
let trusting: readonly string[];
let place: string;

const DIGEST = /SHA-512 of this plan, made [0-9:TZ-]+: [0-9a-f]{128}/;
const SITE = 'apiVersion: stowage/v1\nname: plant\ntarget: depot\n';

beforeAll(async () => {
  small = await smallBundle({ place: scratch.fresh() });
  const root = join(scratch.root, 'root.pem');
  writeFileSync(root, encodeCertificate(small.root));
  trusting = ['--trust', root, '--fingerprint', small.root.fingerprint];
});

beforeEach(() => {
  place = scratch.fresh();
  mkdirSync(place);
});

const run = (args: readonly string[], values: object = {}): Promise<Ran> =>
  runProgram(args, place, values);

function siteAt(name: string): void {
  mkdirSync(join(place, name), { recursive: true });
  writeFileSync(join(place, name, 'site.yaml'), SITE);
}

const readers = [
  'status',
  'status --check',
  'history',
  'plan chat',
  'rollback',
  'uninstall chat',
  'uninstall --everything --yes --receipt last.json',
  'gc',
  'forget chat',
  'repair-list',
  'receipt show',
  'receipt write',
  'audit verify',
  'audit show',
  'depot export --hf-cache cache',
  'push chat registry.example',
  'override window --by me --reason why --until 2026-11-22T00:00:00Z',
].map((line) => line.split(' '));

describe('when a command is run at a folder that is no site', () => {
  it.each(readers)('is refused and writes nothing: %s %s', async (...args) => {
    const words = args.filter((each) => each !== undefined);
    const nowhere = await run([...words, '--site', 'nowhere']);
    expect(nowhere).toMatchObject({ status: 1, error: { code: 'site-absent', found: 'nothing' } });
    mkdirSync(join(place, 'other'));
    const other = await run(words, { env: { STOWAGE_SITE: 'other' } });
    expect(other).toMatchObject({ status: 1, error: { code: 'site-absent' } });
    expect(tree(place)).toEqual({ other: expect.anything() });
  });

  it('names the site of the host to another user, and not to one who named a folder', async () => {
    siteAt('host');
    const hostSite = join(place, 'host');
    const mistaken = await run(['status'], { hostSite });
    expect(mistaken.status).toBe(1);
    expect(mistaken.error?.hint).toContain(hostSite);
    const chosen = await run(['status', '--site', 'nowhere'], { hostSite });
    expect(chosen.error?.hint).not.toContain(hostSite);
  });

  it('works at a site with nothing but site.yaml', async () => {
    siteAt('site');
    expect(await run(['status', '--site', 'site'])).toMatchObject({ status: 0 });
  });
});

describe('when a user has a site of their own beside that of the host', () => {
  it('says so in import and status', async () => {
    siteAt('host');
    siteAt('.local/share/stowage');
    const hostSite = join(place, 'host');
    const imported = await run(['import', small.folder, ...trusting], { hostSite });
    expect(imported.status).toBe(0);
    expect(imported.stderr).toContain(`the site of this host is at ${hostSite}`);
    expect((await run(['status'], { hostSite })).stderr).toContain(hostSite);
    expect((await run(['status'], { hostSite, root: true })).stderr).toBe('');
  });
});

describe("when somebody else looks at root's site", () => {
  it.for([
    ['podman', 1, /site-exposed.*\n.*podman shows each user only their own containers/],
    ['depot', 0, /^$/],
  ] as const)('does not call its services absent: %s', ([target, status, said], test) => {
    if (process.getuid?.() !== 0) skipBecause(test, 'only root can act as another user');
    needsReadableProject(test, 'src/cli/main.ts');
    for (const each of [scratch.root, place]) chmodSync(each, 0o755);
    siteAt('site');
    writeFileSync(join(place, 'site/site.yaml'), `apiVersion: stowage/v1\ntarget: ${target}\n`);
    const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
    const [command = '', ...before] = asNobody;
    const words = [...before, process.execPath, main, 'status', '--site', join(place, 'site')];
    const seen = spawnSync(command, words, { encoding: 'utf8', env: { HOME: '/' } });
    expect(seen.stderr).toMatch(said);
    expect(seen.status).toBe(status);
  });
});

describe('when a bundle is imported', () => {
  it('prints a site.yaml for the release, which the site then accepts', async () => {
    const site = ['--site', 'site'];
    const { stdout } = await run(['import', small.folder, ...trusting, ...site, '--json']);
    const { siteYaml } = JSON.parse(stdout);
    expect(siteYaml).toContain('apiVersion: stowage/v1');
    const file = join(place, 'site', 'site.yaml');
    writeFileSync(file, siteYaml);
    const planned = await run(['status', ...site]);
    expect(planned).toMatchObject({ status: 0 });
    const again = await run(['import', small.folder, ...site]);
    expect(again.status).toBe(0);
    expect(again.stdout).toContain('next: stowage install chat@');
  });
});

describe('when the folder of a site is given', () => {
  it.each<[string, readonly string[], object]>([
    ['--site', ['--site', 'site'], {}],
    ['--root, its former name', ['--root', 'site'], {}],
    ['STOWAGE_SITE', [], { STOWAGE_SITE: 'site' }],
    ['STOWAGE_ROOT, its former name', [], { STOWAGE_ROOT: 'site' }],
    ['--site before STOWAGE_SITE', ['--site', 'site'], { STOWAGE_SITE: 'other' }],
    ['STOWAGE_SITE before STOWAGE_ROOT', [], { STOWAGE_SITE: 'site', STOWAGE_ROOT: 'other' }],
  ])('is found by %s', async (_, args, env) => {
    siteAt('site');
    const ran = await run(['status', '--json', ...args], { env });
    expect(JSON.parse(ran.stdout)).toMatchObject({ site: 'plant', root: join(place, 'site') });
  });

  it.each([
    ['status', '--site='],
    ['status', '--root='],
    ['gc', '--site', ''],
  ])('is not the default for an empty value: %s %s', async (...args) => {
    siteAt('.local/share/stowage');
    expect(await run(args)).toMatchObject({ status: 2, error: { code: 'usage-invalid' } });
  });

  it('shows the current name in help only', async () => {
    const { stdout } = await run(['status', '--help']);
    expect(stdout).toContain('--site <folder>');
    expect(stdout).not.toContain('--root');
  });
});

describe('when everything is uninstalled', () => {
  const args = ['uninstall', '--everything', '--receipt', 'last.json', '--site', 'site'];

  /** A person who types this. */
  const person = (answer: string): object => {
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    stdin.write(`${answer}\n`);
    return { stdin, stderr: personScreen() };
  };

  beforeEach(async () => {
    siteAt('site');
    await run(['import', small.folder, ...trusting, '--site', 'site']);
  });

  it.each([
    ['without a terminal and without --yes', {}],
    ['when a person types nothing', 'nothing'],
    ['when a person types yes', 'yes'],
    ['when a person types another name', 'plants'],
  ])('changes nothing %s', async (_, how) => {
    const before = tree(join(place, 'site'));
    const values = typeof how === 'string' ? person(how === 'nothing' ? '' : how) : how;
    expect(await run(args, values)).toMatchObject({ status: 2, error: { code: 'usage-invalid' } });
    expect(tree(join(place, 'site'))).toEqual(before);
  });

  it('removes it with --yes, and when a person types the name of the site', async () => {
    expect(await run(args, person('plant'))).toMatchObject({ status: 0 });
    expect(Object.keys(tree(place)).toSorted()).toEqual(['last.json', 'last.p7s']);
    const shown = await run(['receipt', 'show', 'last.json']);
    expect(shown.stdout).toContain('available: none\n  store: 0 blobs, 0 B');
    expect(shown.stdout).toContain('complete bundles: 0;');
    siteAt('site');
    expect(await run([...args, '--yes'])).toMatchObject({ status: 0 });
    expect(Object.keys(tree(place)).toSorted()).toEqual(['last.json', 'last.p7s']);
  });
});

/** A plan's digest covers the second in which it was made. */
function withoutDigest(plan: string): string {
  expect(plan).toMatch(DIGEST);
  return plan.replace(DIGEST, '');
}

describe('when a release that is only served is installed', () => {
  it('says that it can be served, not that it is', async () => {
    siteAt('site');
    const site = ['--site', 'site'];
    const { stdout } = await run(['install', small.folder, ...trusting, ...site]);
    expect(stdout).toMatch(/^ {2}passed: chat can be served in full, [0-9.]+ m?s$/m);
    expect(stdout).toContain('next: run "stowage depot"');
    expect((await run(['receipt', 'show', ...site])).stdout).toMatch(
      /: install: completed\n(?:.*\n)* {2}passed: chat can be served in full, [0-9.]+ m?s\n {4}expected: a depot serves all of chat 1\.0\.0\n {4}found: [0-9]+ manifests? and [0-9]+ blobs?, /,
    );
    const logs = await run(['logs', 'chat', ...site]);
    expect(logs.error).toMatchObject({ code: 'service-unknown' });
    expect(logs.error?.message).toBe('release chat runs no services');
  });

  it('is recorded after the trust document that it was verified with', async () => {
    siteAt('site');
    await run(['import', small.folder, ...trusting, '--site', 'site']);
    const { stdout } = await run(['audit', 'show', '--json', '--site', 'site']);
    const kinds = JSON.parse(stdout).entries.map((each: LedgerEntry) => each.event.kind);
    expect(kinds).toEqual(['trusted', 'accepted']);
  });
});

describe('when an installation is only tried', () => {
  it('shows the plan of an imported release or its bundle, and writes nothing', async () => {
    siteAt('site');
    const site = ['--site', 'site'];
    await run(['import', small.folder, ...trusting, ...site]);
    const before = tree(place);
    const planned = await run(['plan', 'chat', ...site]);
    for (const subject of ['chat', 'chat@1.0.0', small.folder]) {
      const tried = await run(['install', subject, '--dry-run', ...site]);
      expect(tried.status).toBe(0);
      expect(withoutDigest(tried.stdout)).toBe(withoutDigest(planned.stdout));
    }
    expect(tree(place)).toEqual(before);
  });

  it('is written to a new file only', async () => {
    siteAt('site');
    await run(['import', small.folder, ...trusting, '--site', 'site']);
    const args = ['plan', 'chat', '--output', 'plan.json', '--site', 'site'];
    expect(await run(args)).toMatchObject({ status: 0 });
    const before = tree(place);
    expect(await run(args)).toMatchObject({ status: 1, error: { code: 'output-exists' } });
    expect(tree(place)).toEqual(before);
  });

  it.each([
    ['a host without a site', 'nowhere', 'makes generation 1, the first'],
    ['a site where nothing was imported', 'site', 'makes generation 1, the first'],
    ['a site with another version', 'older', 'generation 1 to generation 2'],
  ])('shows the plan of a bundle at %s, and writes nothing', async (_, name, head) => {
    for (const each of ['site', 'older']) siteAt(each);
    const site = ['--site', name];
    const env = { TMPDIR: join(place, 'temporary') };
    mkdirSync(env.TMPDIR);
    const { authority } = small;
    if (name === 'older') await run(['install', small.folder, ...trusting, ...site]);
    const next = await smallBundle({ place: scratch.fresh(), authority, version: '1.1.0', seq: 2 });
    const before = tree(place);
    const args = ['install', next.folder, '--dry-run', ...trusting, ...site];
    const tried = await run(args, { env });
    if (name !== 'nowhere') {
      expect(tried.status).toBe(0);
      expect(tried.stdout).toContain(`install: ${head}\n`);
      expect(tried.stdout).toMatch(/^import: \d+ files, .* to .*\n/);
      expect(tried.stdout).toContain('nothing was imported or changed\n');
      expect(tried.stdout).not.toMatch(DIGEST);
      // Without site.yaml, the target is podman, which need not be on this host.
    } else expect(['host-unfit', undefined]).toContain(tried.error?.code);
    expect(tree(place)).toEqual(before);
  });

  it('shows the plan of a rollback and of an uninstallation, and writes nothing', async () => {
    siteAt('site');
    const site = ['--site', 'site'];
    const { authority } = small;
    const next = await smallBundle({ place: scratch.fresh(), authority, version: '1.1.0', seq: 2 });
    for (const folder of [small.folder, next.folder])
      await run(['install', folder, ...trusting, ...site]);
    const before = tree(place);
    for (const [tried, planned] of [
      [['rollback'], ['plan', '--rollback']],
      [
        ['rollback', '--to', '1'],
        ['plan', '--rollback', '--to', '1'],
      ],
      [
        ['uninstall', 'chat'],
        ['plan', 'chat', '--uninstall'],
      ],
    ] as const) {
      const shown = await run([...tried, '--dry-run', ...site]);
      expect(shown.status).toBe(0);
      expect(withoutDigest(shown.stdout)).toBe(
        withoutDigest((await run([...planned, ...site])).stdout),
      );
    }
    const all = ['uninstall', '--everything', '--receipt', 'last.json', '--dry-run', ...site];
    expect(await run(all)).toMatchObject({ status: 2, error: { code: 'usage-invalid' } });
    expect(tree(place)).toEqual(before);
  });

  it('refuses a bundle that an import would refuse', async () => {
    siteAt('site');
    const site = ['--site', 'site'];
    const before = tree(place);
    const untrusted = await run(['install', small.folder, '--dry-run', ...site]);
    expect(untrusted).toMatchObject({ status: 10, error: { code: 'trust-missing' } });
    const piped = await run(['install', '-', '--dry-run', ...site]);
    expect(piped).toMatchObject({ status: 2, error: { code: 'usage-invalid' } });
    const unconfirmed = [...trusting.slice(0, 3), '0'.repeat(64)];
    const wrong = await run(['install', small.folder, '--dry-run', ...unconfirmed, ...site]);
    expect(wrong.error?.code).toBe('trust-unconfirmed');
    expect(tree(place)).toEqual(before);
  });
});

describe('when the folder of a site holds something else', () => {
  const commands: readonly (readonly [string, (root: string) => readonly string[]])[] = [
    ['import', () => ['import', small.folder, ...trusting]],
    ['install', () => ['install', small.folder, ...trusting]],
    ['install --dry-run', () => ['install', small.folder, '--dry-run', ...trusting]],
    ['trust apply', (root) => ['trust', 'apply', root, '--fingerprint', small.root.fingerprint]],
  ];

  it.each(commands)('is refused by %s, which writes nothing', async (_, args) => {
    mkdirSync(join(place, 'documents'));
    writeFileSync(join(place, 'documents', 'letter.txt'), 'dear');
    const before = tree(place);
    const root = join(scratch.root, 'root.pem');
    const ran = await run([...args(root), '--site', 'documents']);
    expect(ran).toMatchObject({ status: 1, error: { code: 'site-absent', found: 'letter.txt' } });
    expect(tree(place)).toEqual(before);
  });

  it.each([
    ['nothing', []],
    ['what a file system has', ['lost+found']],
    ['secrets that a person put there', ['secrets']],
    ['what a killed command left', ['lock', 'keys', 'staging']],
  ])('is a new site if it has %s', async (_, names) => {
    mkdirSync(join(place, 'site'));
    for (const name of names) mkdirSync(join(place, 'site', name));
    const ran = await run(['import', small.folder, ...trusting, '--site', 'site']);
    expect(ran.error).toBeUndefined();
  });
});

describe('when an imported release needs values', () => {
  const parameters = {
    alias: { type: 'string', description: 'the name of the model' },
    port: { type: 'integer', default: 8080, description: 'the port' },
  };
  const secrets = { 'api-key': { description: 'a key' } };
  const podman = 'apiVersion: stowage/v1\nname: plant\n';
  let needy: SmallBundle;
  let site: string;
  const imported = async (text?: string): Promise<Ran> => {
    if (text !== undefined) writeFileSync(join(site, 'site.yaml'), text);
    return run(['import', needy.folder, ...trusting, '--site', 'site']);
  };

  beforeAll(async () => {
    const { authority } = small;
    needy = await smallBundle({ place: scratch.fresh(), authority, parameters, secrets });
  });
  beforeEach(() => {
    site = join(place, 'site');
    mkdirSync(site);
  });

  it('names what is missing, and where a complete site.yaml is', async () => {
    const { stdout } = await imported();
    expect(stdout).toContain(`  ${site}/site.yaml lacks:\n    parameters.chat.alias: no value`);
    expect(stdout).toContain(`secrets.chat.api-key: nothing in site.yaml`);
    const [, guide = ''] = /last section of (\S+) is a complete site\.yaml/.exec(stdout) ?? [];
    expect(readFileSync(guide, 'latin1')).toContain('14. SITE.YAML FOR THIS RELEASE');
    expect(stdout).not.toContain('parameters.chat.port');
    expect(stdout).not.toContain('apiVersion');
  });

  it('names only what a site.yaml lacks', async () => {
    const { stdout } = await imported(`${podman}parameters: { chat: { alias: a } }\n`);
    expect(stdout).toContain(`${site}/site.yaml:`);
    expect(stdout).not.toContain('parameters.chat');
  });

  it('says nothing about it if site.yaml is complete', async () => {
    mkdirSync(join(site, 'secrets/chat'), { recursive: true });
    const file = join(site, 'secrets/chat/api-key');
    writeFileSync(file, 'k', { mode: 0o600 });
    const { stdout } = await imported(
      `${podman}parameters: { chat: { alias: a } }\nsecrets: { chat: { api-key: { file: ${file} } } }\n`,
    );
    expect(stdout.split('\n')).toEqual([
      expect.stringContaining('imported and verified'),
      '  next: stowage install chat@1.0.0',
      '',
    ]);
  });

  it('says nothing about it at a site that runs no services', async () => {
    expect((await imported(SITE)).stdout).not.toContain('site.yaml');
  });
});

/** The day of the week after tomorrow, as `site.yaml` names it. */
function inTwoDays(): string {
  const then = new Date(Date.now() + 2 * 24 * 60 * 60 * 1000);
  return then.toLocaleDateString('en-US', { weekday: 'short', timeZone: 'UTC' }).toLowerCase();
}

describe('when a plan violates a constraint', () => {
  it('ends with that, and exits with a status of its own', async () => {
    siteAt('site');
    writeFileSync(
      join(place, 'site', 'site.yaml'),
      `${SITE}windows:\n  - days: [${inTwoDays()}]\n    from: '03:00'\n    to: '03:01'\n`,
    );
    await run(['import', small.folder, ...trusting, '--site', 'site']);
    const { status, stdout } = await run(['plan', 'chat', '--site', 'site']);
    expect(stdout.split('\n').at(-2)).toBe('cannot be applied: 1 check failed');
    expect(status).toBe(4);
  });
});
