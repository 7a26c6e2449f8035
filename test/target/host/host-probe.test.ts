import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { arch, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  cpuFeatures,
  createHostProbe,
  kernelRelease,
  memoryBytes,
} from '../../../src/target/host/host-probe.ts';
import { listeners, listensAt, ownerOf } from '../../../src/target/host/listeners.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { requireIpv6 } from '../../support/ipv6.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder(true);
const here = createHostProbe({ env: { PATH: '/usr/bin:/bin' } });

async function listening(host: string): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

describe('when this host is read', () => {
  it('reads its processor, memory and kernel', async () => {
    const features = await cpuFeatures(here);
    expect(features?.has(arch() === 'arm64' ? 'fp' : 'fpu')).toBe(true);
    expect(await memoryBytes(here)).toBe(totalmem());
    expect(await kernelRelease(here)).toBe(release());
  });

  it('finds the file system of a path that does not exist yet', async () => {
    const root = scratch.fresh();
    mkdirSync(root);
    const there = await here.fileSystem(root);
    expect(await here.fileSystem(join(root, 'a', 'b'))).toMatchObject({ id: there.id });
    expect(there.freeBytes).toBeGreaterThan(0);
    const elsewhere = await here.fileSystem('/proc');
    expect(elsewhere.id).not.toBe(there.id);
  });

  it.for(['127.0.0.1', '0.0.0.0', '::', '::1'])(
    'names who listens on %s',
    async (address, test) => {
      if (address.includes(':')) requireIpv6(test);
      const port = await listening(address);
      const found = (await listeners(here)).filter((each) => each.port === port);
      expect(found).toHaveLength(1);
      const name = await ownerOf(found[0]?.inode ?? '', here);
      expect(name).toMatch(new RegExp(`\\(pid ${process.pid}\\)$`));
      expect(found[0]?.address).toBe(address);
      expect(await listensAt(port, process.pid, here)).toBe(true);
      expect(await listensAt(port, process.ppid, here)).toBe(false);
      if (address !== '::1') expect(await here.listen('127.0.0.1', port)).toBe('taken');
    },
  );

  it('distinguishes a free port from an address of another host, and leaves it free', async () => {
    const port = await listening('127.0.0.2');
    expect(await here.listen('127.0.0.1', port)).toBe('free');
    expect(await here.listen('127.0.0.1', port)).toBe('free');
    expect(await here.listen('192.0.2.1', port)).toBe('no-address');
    expect(await here.listen('2001:db8::1', port)).toBe('no-address');
  });
});

describe('when another folder replaces the root', () => {
  it('reads below it, and returns nothing for a missing file', async () => {
    const root = scratch.fresh();
    const put = (path: string, text: string): void => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    };
    put('/proc/meminfo', 'MemTotal: 7 kB\n');
    put('/proc/big', 'x'.repeat(9 * 2 ** 20));
    symlinkSync('socket:[1]', join(root, 'proc', 'link'));
    const host = createHostProbe({ env: {}, root });
    expect(await memoryBytes(host)).toBe(7 * 1024);
    expect((await host.read('/proc/big'))?.length).toBeLessThan(8.1 * 2 ** 20);
    expect(await host.link('/proc/link')).toBe('socket:[1]');
    expect(await host.link('/proc/meminfo')).toBeUndefined();
    expect((await host.list('/proc')).toSorted()).toEqual(['big', 'link', 'meminfo']);
    expect(await host.list('/sys')).toEqual([]);
    expect(await host.read('/proc')).toBeUndefined();
    expect(await cpuFeatures(host)).toBeUndefined();
  });
});

describe('when a tool runs', () => {
  const { signal } = context();
  const tool = (body: string): string => {
    const folder = scratch.fresh('bin');
    mkdirSync(folder);
    writeFileSync(join(folder, 'nvidia-smi'), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    return `${folder}:/usr/bin:/bin`;
  };
  const ask = (body: string, env = {}) =>
    createHostProbe({ env: { ...env, PATH: tool(body) } }).run('nvidia-smi', ['-L'], signal);

  it('returns its output with LC_ALL=C, and passes no variable except PATH', async () => {
    const secret = { LD_PRELOAD: '/evil.so', LC_ALL: 'de_DE', TOKEN: 'x' };
    expect(await ask('echo "$LC_ALL$LD_PRELOAD$TOKEN $1"', secret)).toEqual({ printed: 'C -L\n' });
  });

  it.each([
    ['fails', 'exit 9', 'nvidia-smi failed: status 9'],
    ['is killed', 'kill -9 $$', 'killed by SIGKILL'],
    [
      'prints a hundred megabytes',
      'head -c 100000000 /dev/zero',
      'nvidia-smi printed too much output',
    ],
  ])('says why it has none when it %s', async (_, body, why) => {
    expect(await ask(body)).toEqual({ why: expect.stringContaining(why) });
  });

  it('says so when there is none', async () => {
    expect(await here.run('no-such-tool', [], signal)).toEqual({
      why: 'no-such-tool is not installed',
    });
  });

  it('stops one that hangs', async () => {
    const env = { PATH: tool('exec sleep 60') };
    const { runCommand } = await import('../../../src/target/host/command.ts');
    const host = createHostProbe({
      env,
      run: (program, args, options) => runCommand(program, args, { ...options, timeoutMs: 100 }),
    });
    expect(await host.run('nvidia-smi', [], signal)).toEqual({
      why: 'nvidia-smi: still running',
    });
  });

  it('ends when it is interrupted', async () => {
    const heard = context();
    const host = createHostProbe({ env: { PATH: tool('exec sleep 60') } });
    const asked = host.run('nvidia-smi', [], heard.signal);
    setTimeout(() => heard.controller.abort(), 20);
    await expectCode(() => asked, 'interrupted');
  });
});
