import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { buildCode, chunkName } from '../scripts/build/code.ts';
import { noticesText, packageNotices } from '../scripts/build/notices.ts';
import { differences } from '../scripts/releasing/compare.ts';
import { toolSbom } from '../scripts/releasing/sbom.ts';
import { writeSums } from '../scripts/releasing/sums.ts';
import { cyclonedx } from './support/cyclonedx.ts';
import { scratchFolder } from './support/scratch.ts';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const scratch = scratchFolder();

/** A folder with these files. */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = scratch.fresh();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

function archiveOf(folder: string, files: Readonly<Record<string, string>>, time: string): void {
  const from = folderOf({ ...files });
  const args = ['--create', '--gzip', `--mtime=${time}`, '--file', join(folder, 'a.tgz')];
  execFileSync('tar', [...args, '--directory', from, ...Object.keys(files)]);
}

describe('when the code is built', () => {
  it('is the same twice, and its start is one file that loads what a command needs when it is called', async () => {
    const [first, second] = [scratch.fresh(), scratch.fresh()];
    await buildCode(root, first);
    await buildCode(root, second);
    expect(differences(first, second)).toEqual([]);
    const start = readFileSync(join(first, 'main.js'), 'utf8');
    const imported = [...start.matchAll(/^import [^;]*from ["']([^"']+)["'];$/gm)];
    expect(imported.length).toBeGreaterThan(2);
    expect(
      imported.map(([, name = '']) => name).filter((name) => !name.startsWith('node:')),
    ).toEqual([]);
    expect(start).toContain('import("./lib/install.js")');
    expect(start).not.toMatch(/from "node:(?:child_process|http|process|util)"/);
  });
});

describe('when a release is made once more', () => {
  it('finds nothing between the same bytes', () => {
    const files = { 'one.txt': 'one', 'below/two.txt': 'two' };
    expect(differences(folderOf(files), folderOf(files))).toEqual([]);
  });

  it('names what differs, what is missing and what nobody made', () => {
    const released = folderOf({ same: 'x', changed: 'abc', 'below/added': 'x' });
    const rebuilt = folderOf({ same: 'x', changed: 'abX', missing: 'x' });
    expect(differences(released, rebuilt)).toEqual([
      'below/added: is not what this commit makes',
      'changed: differs from byte 2 on (3 bytes, rebuilt 3)',
      'missing: is missing from the release',
    ]);
  });

  it('looks into the archive of the package', () => {
    const [released, rebuilt] = [folderOf({ x: '' }), folderOf({ x: '' })];
    archiveOf(released, { same: 'x', other: 'longer' }, '@0');
    archiveOf(rebuilt, { same: 'x', other: 'long' }, '@0');
    expect(differences(released, rebuilt)).toEqual([
      'a.tgz: other: differs from byte 4 on (6 bytes, rebuilt 4)',
    ]);
    archiveOf(rebuilt, { same: 'x', other: 'longer' }, '@1000');
    expect(differences(released, rebuilt)).toEqual(['a.tgz: the same files, archived otherwise']);
  });
});

describe('when a release is summed up', () => {
  it('has a SHA512SUMS that sha512sum checks, over every other file', () => {
    const folder = folderOf({ b: 'x', 'below/a': 'y' });
    writeSums(folder);
    const said = execFileSync('sha512sum', ['--check', '--strict', 'SHA512SUMS'], {
      cwd: folder,
      env: { ...process.env, LC_ALL: 'C' },
    });
    expect(said.toString()).toBe('b: OK\nbelow/a: OK\n');
    const before = readFileSync(join(folder, 'SHA512SUMS'), 'utf8');
    writeSums(folder);
    expect(readFileSync(join(folder, 'SHA512SUMS'), 'utf8')).toBe(before);
  });

  const inputs = [
    'src/cli/main.ts',
    'node_modules/zod/index.js',
    'node_modules/zod/v4/index.js',
    'node_modules/@huggingface/hub/dist/index.mjs',
    'node_modules/node-forge/lib/asn1.js',
  ];

  it('lists what is inside by the hashes of package-lock.json, valid as CycloneDX 1.6', () => {
    const sbom = toolSbom(root, inputs);
    const validate = cyclonedx();
    validate(sbom);
    expect(validate.errors ?? []).toEqual([]);
    const { components } = sbom as {
      components: { group?: string; name: string; hashes: { alg: string }[] }[];
    };
    expect(components.map(({ group, name }) => [group, name].filter(Boolean).join('/'))).toEqual([
      ...['@huggingface/hub', 'node-forge', 'zod', 'node', 'node'],
    ]);
    for (const { hashes } of components) expect(hashes).toHaveLength(1);
    expect(toolSbom(root, inputs.toReversed())).toEqual(sbom);
  });

  it('has the license of Stowage and of each package whose code is inside, in full', () => {
    const text = noticesText(root, packageNotices(root, inputs));
    expect(text).toMatch(/^Stowage \d+\.\d+\.\d+, Apache-2\.0\n\nApache License$/m);
    expect(text.match(/^(?:@huggingface\/hub|node-forge|zod) \d.*$/gm)).toHaveLength(3);
    expect(text).toContain('Permission is hereby granted, free of charge');
  });

  it('has the text of a license, whatever its file is called, and notices', () => {
    const of = (name: string): string =>
      packageNotices(root, [`node_modules/${name}/index.js`])[0]?.text ?? '';
    expect(of('stream-buffers')).toContain('released into the public domain');
    expect(of('@cyclonedx/cyclonedx-library')).toContain('Copyright (c) OWASP Foundation');
    expect(of('gearhash-jit')).toMatch(/has no file with its license.* states: MIT\.$/);
  });
});

describe('when commands are built', () => {
  it('gives each file that is loaded later a name of its own', () => {
    const files = globSync('src/cli/**/*.ts', { cwd: root });
    const later = files.flatMap((file) =>
      [...readFileSync(join(root, file), 'utf8').matchAll(/import\(\s*'(\.[^']+)'\s*\)/g)].map(
        ([, path = '']) => join(dirname(file), path),
      ),
    );
    const all = [...new Set(later)];
    expect(all.length).toBeGreaterThan(50);
    expect(new Set(all.map(chunkName)).size).toBe(all.length);
    expect(chunkName('src/cli/commands/fleet/status.ts')).toBe('lib/fleet-status');
    expect(chunkName('src/cli/commands/status.ts')).toBe('lib/status');
  });
});
