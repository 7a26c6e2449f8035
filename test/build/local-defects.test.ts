import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { skopeo } from '../lab/skopeo.ts';
import { tinyImage } from '../lab/tiny-image.ts';
import { type Ran, runProgram } from '../support/fake-terminal.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();
let archive: string;
let cwd: string;

beforeAll(async () => {
  const image = await tinyImage(scratch.fresh());
  archive = join(scratch.root, 'saved.tar');
  const from = `oci:${image.layout}:${image.imageTag}`;
  await skopeo(['copy', '--quiet', from, `docker-archive:${archive}:docker.io/acme/app:1.0`]);
});

beforeEach(() => {
  cwd = scratch.fresh('cwd');
  for (const path of ['tuned/config.json', 'tuned/model.safetensors', 'docs/a.md']) {
    mkdirSync(dirname(join(cwd, path)), { recursive: true });
    writeFileSync(join(cwd, path), '{}');
  }
  mkdirSync(join(cwd, 'empty'));
  mkdirSync(join(cwd, 'linked'));
  symlinkSync('/etc/hostname', join(cwd, 'linked/model.safetensors'));
  mkdirSync(join(cwd, 'names'));
  for (const name of ['a:b', 'con']) writeFileSync(join(cwd, 'names', name), '{}');
  execFileSync('cp', [archive, join(cwd, 'saved.tar')]);
});

function check(items: object): Promise<Ran> {
  const manifest = { apiVersion: 'stowage/v1', name: 'chat', version: '1.0.0', ...items };
  writeFileSync(join(cwd, 'stowage.yaml'), JSON.stringify(manifest, undefined, 1));
  return runProgram(['check'], cwd);
}

const model = (fields: object): object => ({
  models: [{ name: 'tiny', source: './tuned', license: { id: 'MIT' }, ...fields }],
});
const image = (source: string): object => ({ images: [{ name: 'server', source }] });
const files = (source: string): object => ({ files: [{ name: 'docs', source }] });

describe('when a manifest has local sources', () => {
  it.each<[string, object]>([
    ['a folder of a model', model({})],
    ['globs that match', model({ include: ['*.json'] })],
    ['an image by its name', image('docker-archive:./saved.tar:docker.io/acme/app:1.0')],
    ['a folder of files', files('./docs')],
    ['one of several sources', model({ include: ['*.gguf'], mirrors: ['hf://acme/tiny@main'] })],
  ])('accepts %s, and writes nothing', async (_, items) => {
    const before = readdirSync(cwd).length;
    const { error, stdout } = await check(items);
    expect([error, stdout]).toEqual([undefined, expect.stringContaining('no defects')]);
    expect(readdirSync(cwd)).toHaveLength(before + 1);
  });

  it.each<[string, object, RegExp]>([
    [
      'globs that match nothing',
      model({ include: ['*.gguf'] }),
      /^stowage\.yaml:8:\d+: models\[0\]\.source: .*select no file of \.\/tuned; expected a match for \*\.gguf; found config\.json/,
    ],
    [
      'an image that its archive lacks',
      image('docker-archive:./saved.tar:docker.io/acme/app:2.0'),
      /^stowage\.yaml:8:\d+: images\[0\]\.source: .*docker\.io\/acme\/app:1\.0/,
    ],
    [
      'a link to somewhere else',
      model({ source: './linked' }),
      /^stowage\.yaml:\d+:\d+: models\[0\]\.source: .*model\.safetensors/,
    ],
    [
      'the file of a model in place of its folder',
      model({ source: './tuned/model.safetensors' }),
      /models\[0\]\.source: .*write its folder as the source/,
    ],
    [
      'names that some systems do not support',
      model({ source: './names' }),
      /models\[0\]\.source: .*found .*"a:b".*"con".*rename the files listed/,
    ],
    [
      'something else than an archive',
      image('docker-archive:./tuned/config.json'),
      /^stowage\.yaml:8:\d+: images\[0\]\.source: /,
    ],
    ['a folder without a file', files('./empty'), /^stowage\.yaml:8:\d+: files\[0\]\.source: /],
  ])('refuses %s, with the line', async (_, items, message) => {
    const { error } = await check(items);
    expect(error).toMatchObject({ code: 'manifest-invalid', defects: [expect.any(String)] });
    expect(error?.defects[0]).toMatch(message);
  });

  it('warns of a glob that matches nothing beside one that does', async () => {
    const { status, stderr } = await check(model({ include: ['*.json', '*.safetensor'] }));
    expect(status).toBe(0);
    expect(stderr).toContain('model tiny: include "*.safetensor" matches no file of ./tuned');
  });

  it.each([
    ['docker-archive:saved.tar', 'docker-archive:./saved.tar'],
    ['docker-archive:latest', 'docker-archive:./latest'],
    ['docker-archive:saved.tar:app:1.0', 'docker-archive:./saved.tar:app:1.0'],
    ['oci-archive:out/app.tar', 'oci-archive:./out/app.tar'],
    ['oci:layout:1.0', 'oci:./layout:1.0'],
  ])('says how to write the path in %s', async (source, right) => {
    const { error } = await check(image(source));
    expect(error?.defects[0]).toContain(`begins with ./, ../ or /: ${right}`);
  });
});
