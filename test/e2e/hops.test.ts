import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { MIB } from '../../src/core/limits.ts';
import { encodePem } from '../../src/trust/pem.ts';
import { end } from '../lab/process.ts';
import { type Registry, startRegistry } from '../lab/registry.ts';
import { byHand, textOf } from '../support/by-hand.ts';
import { flipBit } from '../support/flip-bit.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { type Ran, stowage } from './cli.ts';

const scratch = scratchFolder();
const rootPem = join(scratch.root, 'root.pem');
const project = fileURLToPath(new URL('../..', import.meta.url));
let first: SmallBundle;
let second: SmallBundle;

beforeAll(async () => {
  const shape = { partSize: 4 * MIB, weights: 9 * MIB, weightsOf: 'both', installer: true };
  first = await smallBundle({ ...shape, place: scratch.fresh(), parity: 1 });
  const { authority } = first;
  second = await smallBundle({
    ...{ ...shape, place: scratch.fresh(), authority, version: '1.1.0', seq: 2 },
  });
  writeFileSync(rootPem, encodePem('CERTIFICATE', first.root.der));
});

/** A host of some network, with nothing but the root certificate. */
function host(name: string): { folder: string; run(...args: string[]): Promise<Ran> } {
  const folder = scratch.fresh(name);
  mkdirSync(folder);
  const env = { STOWAGE_SITE: join(folder, 'site'), STOWAGE_STORE: join(folder, 'store') };
  return { folder, run: (...args) => stowage({ cwd: folder, env }, ...args) };
}

async function must(running: Promise<Ran>): Promise<Ran> {
  const ran = await running;
  expect(ran.status, `${ran.stdout}${ran.stderr}`).toBe(0);
  return ran;
}

const trusted = (): string[] => ['--trust', rootPem, '--fingerprint', first.root.fingerprint];

/** By hand, as VERIFY.txt says; with `--ignore-missing`, as it says for a disc and an increment. */
async function expectSame(folder: string, bundle: SmallBundle, parts = false): Promise<void> {
  expect(readFileSync(join(folder, 'SHA512SUMS'))).toEqual(
    readFileSync(join(bundle.folder, 'SHA512SUMS')),
  );
  const whole = textOf(folder);
  const text = parts
    ? whole.replace('--quiet', '--quiet --ignore-missing').replace('comm -3', 'comm -13')
    : whole;
  const { status, shown } = await byHand(folder, text, rootPem);
  expect(status, shown).toBe(0);
}

async function depotOf(site: string): Promise<{ address: string; stop(): Promise<void> }> {
  const node = join(project, 'node_modules/.bin/node');
  const args = [join(project, 'dist/main.js'), 'depot', '--listen', '127.0.0.1:0'];
  const child = spawn(node, args, {
    env: { ...process.env, STOWAGE_SITE: site },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  while (!/127\.0\.0\.1:[1-9][0-9]*/.test(said)) {
    const [chunk] = (await once(child.stderr, 'data')) as [Buffer];
    said += chunk.toString();
  }
  const [address = ''] = /127\.0\.0\.1:[1-9][0-9]*/.exec(said) ?? [];
  return { address, stop: () => end(child) };
}

describe('when one disc serves three networks', () => {
  it('passes from host to host, and holds by hand at the third', async () => {
    const hub = host('hub');
    await must(hub.run('import', first.folder, ...trusted()));
    await must(hub.run('import', second.folder));

    // By a registry of the first network.
    const registry: Registry = await startRegistry(join(scratch.root, 'registry'));
    const inRegistry = host('in-registry');
    try {
      const to = `oci://${registry.host}/bundles/chat`;
      const pushed = await must(hub.run('push', 'chat@1.0.0', '--bundle', to));
      expect(pushed.json.uploaded).toBeGreaterThan(5);
      const again = await must(hub.run('push', 'chat@1.0.0', '--bundle', to));
      expect(again.json).toMatchObject({ uploaded: 0, manifest: pushed.json.manifest });
      await must(inRegistry.run('import', `${to}:1.0.0`, ...trusted()));
      const denied = await inRegistry.run('import', `${to}:9.9.9`);
      expect(denied.stderr).toContain('bundle-absent');
    } finally {
      await registry.stop();
    }

    // By the depot of that host.
    const depot = await depotOf(join(inRegistry.folder, 'site'));
    const middle = host('middle');
    try {
      const address = `https://${depot.address}/chat@1.0.0`;
      await must(middle.run('import', address, ...trusted()));
    } finally {
      await depot.stop();
    }

    // By a medium to the second network, and by another to the third.
    const one = join(middle.folder, 'chat-1.0.0');
    await must(middle.run('export', 'chat@1.0.0', '--to', one));
    await expectSame(one, first);
    const next = host('next');
    await must(next.run('import', one, ...trusted()));
    const two = join(next.folder, 'chat-1.0.0');
    await must(next.run('export', 'chat@1.0.0', '--to', two));
    await expectSame(two, first);
    const third = host('third');
    await must(third.run('import', two, ...trusted()));
    const seen = await must(third.run('inspect', two, '--trust', rootPem));
    expect(seen.json.hops).toHaveLength(2);
    expect(seen.json.signers).toHaveLength(1);

    // An increment from the hub, for the third network alone.
    await must(third.run('receipt', 'write'));
    const receipts = join(third.folder, 'site', 'receipts');
    const receipt = readdirSync(receipts).findLast((each) => each.endsWith('-statement.json'));
    const shown = await must(third.run('receipt', 'show', join(receipts, receipt ?? '')));
    const increment = join(hub.folder, 'increment');
    await must(
      hub.run(
        ...['export', 'chat@1.1.0', '--to', increment, '--for', join(receipts, receipt ?? '')],
        ...['--fingerprint', shown.json.fingerprint],
      ),
    );
    await expectSame(increment, second, true);
    const sizes = readdirSync(increment, { recursive: true }).length;
    expect(sizes).toBeLessThan(readdirSync(second.folder, { recursive: true }).length);
    await must(third.run('import', increment));
    const whole = join(third.folder, 'whole');
    await must(third.run('export', 'chat@1.1.0', '--to', whole));
    await expectSame(whole, second);
  });

  it.each([
    ['a part', 'part-damaged', () => partOf(first)],
    ['the index', 'part-damaged', () => 'bundle.json'],
    ['the list', 'signature-invalid', () => 'SHA512SUMS'],
  ])(
    'finds at the third one byte of %s that the middle changed',
    async (_, code, path) => {
      const folder = join(scratch.fresh('changed'), 'chat');
      cpSync(first.folder, folder, { recursive: true });
      const middle = host('honest');
      await must(middle.run('import', folder, ...trusted()));
      const out = join(middle.folder, 'chat');
      await must(middle.run('export', 'chat', '--to', out));
      flipBit(join(out, path()), 100);
      if (code === 'part-damaged' && path().startsWith('blobs/'))
        for (const each of readdirSync(join(out, 'parity')))
          flipBit(join(out, 'parity', each), 100);
      const third = host('third');
      const { status, stderr } = await third.run('import', out, ...trusted());
      expect(status).toBe(10);
      expect(stderr).toContain(code);
    },
    120_000,
  );
});

const partOf = ({ bundle }: SmallBundle): string =>
  bundle.blobs.flatMap(({ parts }) => parts).find(({ path }) => path.endsWith('.0000'))?.path ?? '';
