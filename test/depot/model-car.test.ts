import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { carEnd, carHeader } from '../../src/depot/model-car.ts';
import { padding } from '../../src/io/ustar.ts';

function list(tar: Buffer): string {
  return execFileSync(
    'tar',
    ['--list', '--verbose', '--utc', '--full-time', '--quoting-style=literal'],
    {
      input: tar,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' },
    },
  );
}

describe('when a tar is read that was made here', () => {
  it.each([
    'a',
    `${'b'.repeat(99)}c`,
    `${'b'.repeat(100)}c`,
    `${'d'.repeat(60)}/${'e'.repeat(200)}`,
    'gr\u00f6\u00dfe/\u6a21\u578b.gguf',
    '7'.repeat(92),
    ...Array.from({ length: 14 }, (_, index) => 'n'.repeat(975 + index)),
  ])('finds %s, of root, of 1970', (path) => {
    const content = Buffer.from('hello');
    const tar = Buffer.concat([...[carHeader({ path, size: 5 }), content, padding(5), carEnd]]);
    expect(tar.length % 512).toBe(0);
    expect(list(tar)).toMatch(/^-r--r--r-- 0\/0 +5 1970-01-01 00:00:00 /);
    expect(list(tar).trimEnd().endsWith(` ${path}`)).toBe(true);
    expect(execFileSync('tar', ['-xO'], { input: tar }).toString()).toBe('hello');
  });

  it('finds a folder', () => {
    const tar = Buffer.concat([carHeader({ path: 'models/a' }), carEnd]);
    expect(list(tar)).toMatch(/^drwxr-xr-x 0\/0 .* models\/a\/$/m);
  });

  it.each([0o77777777777, 0o100000000000, 123_456_789_012])('says the size %i', (size) => {
    const header = carHeader({ path: 'large', size });
    // It misses the bytes that the header speaks of, and says so by its status.
    const { stdout: said } = spawnSync('tar', ['--list', '--verbose'], {
      input: header,
      encoding: 'utf8',
    });
    expect(said).toContain(` ${size} `);
  });
});
