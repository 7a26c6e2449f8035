import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { FILL_FAILED, fillScript } from '../../../src/target/kubernetes/fill-script.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder();
const NEEDED = ['cat', 'cp', 'find', 'ls', 'mkdir', 'mv', 'rm', 'sha256sum', 'stat', 'sync'];
const OWNER = '0123abcd chat';
const content = {
  'models/tiny/tiny.gguf': 'weights',
  'models/tiny/sub folder/b.bin': 'more weights',
  'files/settings/settings.json': '{}',
};
const tree = { 'files/pages/a/index.html': '<p>', 'files/pages/b.css': 'p {}' };

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
    chmodSync(join(folder, path), 0o444);
  }
}

describe.each(['dash', 'busybox'])('when a Job fills a volume with the shell of %s', (kind) => {
  let root = '';
  let target = '';

  /** Programs of this kind and no others. */
  function programs(): string {
    const folder = join(root, 'bin');
    mkdirSync(folder);
    for (const name of ['sh', ...NEEDED]) {
      const from =
        kind === 'busybox' ? '/bin/busybox' : name === 'sh' ? '/bin/dash' : `/usr/bin/${name}`;
      symlinkSync(existsSync(from) ? from : `/bin/${name}`, join(folder, name));
    }
    return folder;
  }

  beforeEach(() => {
    root = scratch.fresh('volume');
    target = join(root, 'target');
    mkdirSync(target, { recursive: true });
    write(join(root, 'source'), { ...content, ...tree });
    const lines = Object.entries(content).map(
      ([path, text]) => `${sha256(text)} ${text.length} ${path}\n`,
    );
    mkdirSync(join(root, 'stowage'));
    writeFileSync(join(root, 'stowage/files'), lines.join(''));
    writeFileSync(join(root, 'stowage/trees'), 'files/pages\n');
    const own = fillScript.replaceAll(
      /(?<=[ "=])\/(source|target|stowage)(?=[/ "\n$])/g,
      `${root}/$1`,
    );
    writeFileSync(join(root, 'fill.sh'), own);
    programs();
  });

  function run(what: 'fill' | 'clear', folder = 'chat-1.0.0', kept: readonly string[] = [folder]) {
    const env = { STOWAGE_FOLDER: folder, STOWAGE_KEEP: kept.join(' '), STOWAGE_OWNER: OWNER };
    const ended = spawnSync(join(root, 'bin/sh'), [join(root, 'fill.sh'), what], {
      env: { ...env, PATH: join(root, 'bin') },
      encoding: 'utf8',
    });
    return { status: ended.status, out: ended.stdout, failure: ended.stderr };
  }

  const path = (name: string, folder = 'chat-1.0.0'): string => join(target, folder, name);

  it('copies every file and folder, and does not copy them again', () => {
    const first = run('fill');
    expect(first).toMatchObject({ status: 0, failure: '' });
    for (const [name, text] of Object.entries({ ...content, ...tree }))
      expect(readFileSync(path(name), 'utf8')).toBe(text);
    expect(readdirSync(join(target, 'chat-1.0.0')).toSorted()).toEqual([
      '.stowage',
      'files',
      'models',
    ]);
    const before = statSync(path('models/tiny/tiny.gguf')).ino;
    expect(run('fill').out).toContain('already filled');
    expect(statSync(path('models/tiny/tiny.gguf')).ino).toBe(before);
  });

  it('continues what a kill left, and replaces what is damaged', () => {
    run('fill');
    const whole = statSync(path('models/tiny/tiny.gguf')).ino;
    writeFileSync(path('.stowage'), `${OWNER} begun\n`);
    rmSync(path('models/tiny/sub folder/b.bin'));
    writeFileSync(`${path('models/tiny/sub folder/b.bin')}.part`, 'mor', { mode: 0o444 });
    rmSync(path('files/settings/settings.json'));
    write(join(target, 'chat-1.0.0'), { 'files/settings/settings.json': '[]' });
    expect(run('fill').status).toBe(0);
    expect(readFileSync(path('models/tiny/sub folder/b.bin'), 'utf8')).toBe('more weights');
    expect(existsSync(`${path('models/tiny/sub folder/b.bin')}.part`)).toBe(false);
    expect(readFileSync(path('files/settings/settings.json'), 'utf8')).toBe('{}');
    expect(statSync(path('models/tiny/tiny.gguf')).ino).toBe(whole);
  });

  it('does not trust its mark where a file is missing or has another size', () => {
    run('fill');
    rmSync(path('models/tiny/tiny.gguf'));
    writeFileSync(path('models/tiny/tiny.gguf'), 'wei');
    expect(run('fill').status).toBe(0);
    expect(readFileSync(path('models/tiny/tiny.gguf'), 'utf8')).toBe('weights');
  });

  it('keeps no file whose image has another content', () => {
    rmSync(join(root, 'source/models/tiny/tiny.gguf'));
    writeFileSync(join(root, 'source/models/tiny/tiny.gguf'), 'WEIGHTS');
    const { status, failure } = run('fill');
    expect(status).toBe(1);
    expect(failure).toContain(
      `${FILL_FAILED}models/tiny/tiny.gguf has SHA-256 ${sha256('WEIGHTS')}`,
    );
    expect(existsSync(path('models/tiny/tiny.gguf'))).toBe(false);
    expect(readFileSync(path('.stowage'), 'utf8')).toBe(`${OWNER} begun\n`);
  });

  it('fails where the image mounted empty', () => {
    rmSync(join(root, 'source/models'), { recursive: true });
    expect(run('fill').failure).toContain(
      `${FILL_FAILED}the image of the content lacks models/tiny`,
    );
  });

  it('reads what the owner of the claim wrote, and never changes or removes it', () => {
    const own = { ...content, ...tree, 'notes.txt': 'mine' };
    write(join(target, 'chat-1.0.0'), own);
    expect(run('fill').out).toContain('filled by the owner');
    expect(existsSync(path('.stowage'))).toBe(false);
    expect(run('clear', 'chat-1.0.0', []).status).toBe(0);
    expect(existsSync(path('notes.txt'))).toBe(true);
    rmSync(path('models/tiny/tiny.gguf'));
    write(join(target, 'chat-1.0.0'), { 'models/tiny/tiny.gguf': 'others' });
    const { status, failure } = run('fill');
    expect(status).toBe(1);
    expect(failure).toContain(
      'belongs to the owner of the claim and has another models/tiny/tiny.gguf',
    );
    expect(readFileSync(path('models/tiny/tiny.gguf'), 'utf8')).toBe('others');
  });

  it('removes the content of its own release alone, and what both generations have stays', () => {
    for (const each of ['chat-1.0.0', 'chat-1.1.0'])
      run('fill', each, ['chat-1.0.0', 'chat-1.1.0']);
    write(target, { 'chat-9/mine': 'x', 'other-1.0.0/.stowage': '0123abcd other done\n' });
    write(target, { 'chat-2.0.0/.stowage': 'ffffffff chat done\n' });
    run('fill', 'chat-1.2.0', ['chat-1.2.0', 'chat-1.1.0']);
    const others = ['chat-2.0.0', 'chat-9', 'other-1.0.0'];
    expect(readdirSync(target).toSorted()).toEqual(['chat-1.1.0', 'chat-1.2.0', ...others]);
    expect(run('clear', 'chat-1.2.0', ['chat-1.1.0']).status).toBe(0);
    expect(readdirSync(target).toSorted()).toEqual(['chat-1.1.0', ...others]);
    expect(run('clear', 'chat-1.1.0', []).status).toBe(0);
    expect(readdirSync(target).toSorted()).toEqual(others);
  });
});
