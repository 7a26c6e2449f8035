import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copyInstallers, findInstallers } from '../../src/build/installers.ts';
import { readmeText } from '../../src/build/readme-text.ts';
import type { StowageEvent } from '../../src/core/context.ts';
import { sriHex } from '../../src/core/digest.ts';
import { MAX_INSTALLER_BYTES, MAX_INSTALLER_COMPONENTS_BYTES } from '../../src/core/limits.ts';
import type { DescribedInstaller, Installer } from '../../src/format/installer.ts';
import { installerComponents } from '../format/samples.ts';
import { context } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();

function folder(...names: readonly string[]): string {
  const place = scratch.fresh();
  mkdirSync(place);
  for (const name of names) writeFileSync(join(place, name), `program ${name}`);
  return place;
}

const both = ['stowage-linux-x64', 'stowage-linux-arm64'];

describe('when installers are searched for', () => {
  it.each([
    [['linux/amd64'], ['stowage-linux-x64']],
    [['linux/arm64'], ['stowage-linux-arm64']],
    [['linux/arm64', 'linux/amd64'], both],
    [['linux/arm64/v8', 'linux/arm64'], ['stowage-linux-arm64']],
  ])('finds those for %j', async (platforms, names) => {
    const found = await findInstallers(folder(...both), platforms);
    expect(found.map(({ path }) => path)).toEqual(names);
  });

  it('requires one for every platform', async () => {
    const place = folder('stowage-linux-x64');
    const error = await expectCode(
      () => findInstallers(place, ['linux/amd64', 'linux/arm64']),
      'file-missing',
    );
    expect(error.expected).toBe(join(place, 'stowage-linux-arm64'));
    expect(error.hint).toContain('build:installer');
    await expectCode(() => findInstallers(place, ['linux/s390x']), 'file-missing');
    await expectCode(() => findInstallers(join(place, 'none'), ['linux/amd64']), 'file-missing');
  });

  it('refuses links, folders, empty files and oversized files', async () => {
    const find = (place: string): Promise<unknown> => findInstallers(place, ['linux/amd64']);
    const linked = folder();
    symlinkSync('/bin/true', join(linked, 'stowage-linux-x64'));
    await expectCode(() => find(linked), 'file-kind');
    const nested = folder();
    mkdirSync(join(nested, 'stowage-linux-x64'));
    await expectCode(() => find(nested), 'file-kind');
    const sized = folder('stowage-linux-x64');
    for (const size of [0, MAX_INSTALLER_BYTES + 1]) {
      truncateSync(join(sized, 'stowage-linux-x64'), size);
      await expectCode(() => find(sized), 'io-failed');
    }
  });
});

describe('when the list of components is next to an installer', () => {
  const name = 'stowage-linux-x64';
  const list = `${name}.components.json`;
  const bytes = Buffer.from(`program ${name}`);
  const copy = async (
    content: string,
    events: StowageEvent[] = [],
  ): Promise<DescribedInstaller[]> => {
    const place = folder(name);
    if (content !== '') writeFileSync(join(place, list), content);
    const emit = (event: StowageEvent): void => void events.push(event);
    return copyInstallers(
      await findInstallers(place, ['linux/amd64']),
      folder(),
      context({ emit }),
    );
  };

  it('is copied with the installer', async () => {
    const components = installerComponents(name, bytes);
    const events: StowageEvent[] = [];
    expect((await copy(JSON.stringify(components), events))[0]).toMatchObject({ components });
    expect(events.map(({ type }) => type)).not.toContain('warning');
  });

  it.each([
    ['bytes', installerComponents(name, Buffer.from('other'))],
    ['name', installerComponents('stowage-linux-arm64', bytes)],
  ])('is refused if it is for an installer with another %s', async (_, components) => {
    await expectCode(() => copy(JSON.stringify(components)), 'document-invalid');
  });

  it('is refused if it is malformed, too large or newer', async () => {
    const good = JSON.stringify(installerComponents(name, bytes));
    for (const bad of ['{', '{}', good.replace('pkg:npm/zod@', 'pkg:npm/z d@')])
      await expectCode(() => copy(bad), 'document-invalid');
    await expectCode(() => copy(good.replace('components/v1', 'components/v2')), 'format-newer');
    const largest = good.padEnd(MAX_INSTALLER_COMPONENTS_BYTES);
    expect(await copy(largest)).toHaveLength(1);
    await expectCode(() => copy(`${largest} `), 'io-failed');
  });

  it('warns if there is none', async () => {
    const events: StowageEvent[] = [];
    expect((await copy('', events))[0]).not.toHaveProperty('components');
    expect(events.filter(({ type }) => type === 'warning')).toEqual([
      expect.objectContaining({ message: expect.stringContaining(list) }),
    ]);
  });
});

describe('when installers are copied', () => {
  it('records the size and hashes of each, and makes it executable', async () => {
    const built = await findInstallers(folder(...both), ['linux/arm64', 'linux/amd64']);
    const place = folder();
    const copied = await copyInstallers(built, place, context());
    expect(copied.map(({ platform }) => platform)).toEqual(['linux/amd64', 'linux/arm64']);
    for (const { path, size, sha512 } of copied) {
      const byHand = execFileSync('sha512sum', [path], { cwd: place, encoding: 'utf8' });
      expect(byHand).toBe(`${sriHex(sha512)}  ${path}\n`);
      expect(statSync(join(place, path))).toMatchObject({ size });
      expect(statSync(join(place, path)).mode & 0o777).toBe(0o755);
    }
  });

  it('refuses one whose size changes during the copy', async () => {
    const place = folder('stowage-linux-x64');
    const built = await findInstallers(place, ['linux/amd64']);
    truncateSync(join(place, 'stowage-linux-x64'), 3);
    await expectCode(() => copyInstallers(built, folder(), context()), 'io-failed');
  });
});

describe('when README.txt is written', () => {
  const manifest = { name: 'chat', version: '1.4.0' };
  const installer = (platform: string, path: string): Installer =>
    ({ platform, path }) as Installer;
  const x64 = installer('linux/amd64', 'stowage-linux-x64');
  const arm64 = installer('linux/arm64', 'stowage-linux-arm64');
  const commandsOf = (text: string): string[] =>
    text.split('\n').filter((line) => line.startsWith('    '));

  it('has three commands for each architecture: check, copy, install', () => {
    const text = readmeText(manifest, [x64, arm64]);
    for (const line of text.split('\n')) expect(line).toMatch(/^[\x20-\x7e]{0,80}$/);
    expect(text).toContain('chat 1.4.0');
    expect(text).toMatch(/glibc 2\.28 .*musl/s);
    const [root, paper, ...lines] = commandsOf(text);
    expect([root, paper]).toEqual([
      '    ROOT=/path/to/ROOT.pem',
      "    PAPER='digits-on-the-paper'",
    ]);
    expect(lines).toHaveLength(6);
    expect(lines.slice(0, 3)).toEqual([
      "    grep ' stowage-linux-x64$' SHA512SUMS | sha512sum --check --strict",
      '    install -m 0755 stowage-linux-x64 /usr/local/bin/stowage',
      '    /usr/local/bin/stowage install . --trust "$ROOT" --fingerprint "$PAPER"',
    ]);
    for (const input of commandsOf(text))
      expect(spawnSync('sh', ['-n'], { input, encoding: 'utf8' })).toMatchObject({ status: 0 });
  });

  it('covers only architectures that the bundle has an installer for', () => {
    expect(readmeText(manifest, [arm64])).not.toContain('x86_64');
    expect(commandsOf(readmeText(manifest, [arm64]))).toHaveLength(5);
  });

  it('states that the bundle has none', () => {
    const text = readmeText(manifest, []);
    expect(text).toContain('contains no installer');
    expect(commandsOf(text)).toHaveLength(3);
  });
});
