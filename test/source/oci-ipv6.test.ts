import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lock } from '../../src/format/lock.ts';
import { pushLayout, type Registry, startRegistry } from '../lab/registry.ts';
import { type LayoutImage, tinyImage } from '../lab/tiny-image.ts';
import { runProgram } from '../support/fake-terminal.ts';
import { requireIpv6 } from '../support/ipv6.ts';

const folder = mkdtempSync(join(tmpdir(), 'stowage-ipv6-'));
let image: LayoutImage;
let registry: Registry | undefined;

beforeAll(async () => {
  image = await tinyImage(join(folder, 'layout'));
  const plain = await startRegistry(join(folder, 'registry'));
  await pushLayout(join(folder, 'layout'), image.tag, `${plain.host}/team/app:1.0`);
  await plain.stop();
});

afterAll(async () => {
  await registry?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('when a registry is named by its IPv6 address', () => {
  it.for([':1.0', '@digest'])('is locked and packed: /team/app%s', async (suffix, test) => {
    requireIpv6(test);
    registry ??= await startRegistry(join(folder, 'registry'), { address: '[::1]' });
    const { host } = registry;
    const source = `${host}/team/app${suffix.replace('@digest', `@${image.digest}`)}`;
    writeFileSync(
      join(folder, 'stowage.yaml'),
      `apiVersion: stowage/v1\nname: six\nversion: 1.0.0\nimages:\n  - { name: app, source: "${source}" }\n`,
    );
    const run = (...args: string[]) => runProgram([...args, '--store', 'store'], folder);
    rmSync(join(folder, 'stowage.lock.json'), { force: true });
    expect((await run('lock')).error).toBeUndefined();
    const lock = JSON.parse(readFileSync(join(folder, 'stowage.lock.json'), 'utf8')) as Lock;
    expect(lock.images).toMatchObject([
      { repository: `${host}/team/app`, target: { digest: image.digest } },
    ]);
    const output = suffix === ':1.0' ? 'tag' : 'digest';
    expect((await run('pack', '--no-installer', '-o', output)).error).toBeUndefined();
    expect((await runProgram(['inspect', output], folder)).stdout).toContain(`${host}/team/app`);
  });

  it.each(['[::1:5000/x', '[localhost]:5000/x', '::1/x', '[::1]5000/x', '[::g]:1/x'])(
    'is refused if it is malformed: %s',
    async (source) => {
      writeFileSync(
        join(folder, 'bad.yaml'),
        `apiVersion: stowage/v1\nname: six\nversion: 1.0.0\nimages:\n  - { name: app, source: "${source}" }\n`,
      );
      const { error } = await runProgram(['check', 'bad.yaml'], folder);
      expect(error?.code).toBe('manifest-invalid');
      expect(error?.defects).toHaveLength(1);
    },
  );
});
