import { describe, expect, it } from 'vitest';
import { parseGitAddress } from '../../src/source/git-address.ts';
import { parseNetrc } from '../../src/source/git-command.ts';
import { parsePointer } from '../../src/source/git-lfs.ts';
import { expectCode } from '../support/error.ts';

describe('when a git source is read', () => {
  it.each([
    ['git+https://host.example/a/b@main', 'https://host.example/a/b', 'main', 'b'],
    ['git+https://host.example/a/b.git@v1.0', 'https://host.example/a/b.git', 'v1.0', 'b'],
    ['git+https://h.example:8443/b/@release/1', 'https://h.example:8443/b', 'release/1', 'b'],
    ['git+http://127.0.0.1:8080/b@main', 'http://127.0.0.1:8080/b', 'main', 'b'],
    ['git+http://lab.example/b@main', 'http://lab.example/b', 'main', 'b'],
  ])('accepts %s', (source, url, revision, name) => {
    expect(parseGitAddress(source, ['lab.example'])).toEqual({ url, revision, name });
  });

  it.each([
    ['git+http://host.example/a@main', 'source-unsupported'],
    ['git+ssh://host.example/a@main', 'source-unsupported'],
    ['git+file:///etc@main', 'source-unsupported'],
    ['git+https://user:secret@host.example/a@main', 'manifest-invalid'],
    ['git+https://host.example/a', 'manifest-invalid'],
    ['git+https://host.example/a@', 'manifest-invalid'],
    ['git+https://host.example/a@--upload-pack=x', 'manifest-invalid'],
    ['git+https://host.example/a@a..b', 'manifest-invalid'],
    ['git+https://host.example/a@a.lock', 'manifest-invalid'],
    ['git+https://host.example/a@x^{tree}', 'manifest-invalid'],
    ['git+https://host.example/a?x=1@main', 'source-unsupported'],
    ['git+https://host.example/@main', 'source-unsupported'],
  ] as const)('refuses %s', async (source, code) => {
    await expectCode(() => parseGitAddress(source, []), code);
  });
});

describe('when a netrc file is read', () => {
  it('finds each machine once, and ignores macros, comments and the default entry', () => {
    const text =
      '# a comment\nmachine a.example login me password one\nmacdef init\ncd machine x\n\n' +
      'machine b.example\n  login you\n  account z\n  password two\n' +
      'machine a.example login other password three\ndefault login any password any\n';
    expect(Object.fromEntries(parseNetrc(text))).toEqual({
      'a.example': { login: 'me', password: 'one' },
      'b.example': { login: 'you', password: 'two' },
    });
  });
});

describe('when a file could be an LFS pointer', () => {
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 12\n`;
  it('reads a pointer', () => {
    expect(parsePointer(Buffer.from(pointer))).toEqual({
      digest: `sha256:${'a'.repeat(64)}`,
      size: 12,
    });
  });
  it.each([
    ['a text', 'hello'],
    ['another version', pointer.replace('v1', 'v2')],
    ['a short hash', pointer.replace('aaaa', '')],
    ['a size that is none', pointer.replace('12', '-1')],
    ['a large file', pointer + 'x'.repeat(1024)],
  ])('treats %s as a file', (_, text) => {
    expect(parsePointer(Buffer.from(text))).toBeUndefined();
  });
});
