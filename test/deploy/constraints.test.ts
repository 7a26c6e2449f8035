import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkConstraints, requireSatisfied } from '../../src/deploy/constraints.ts';
import type { Bundle } from '../../src/format/bundle.ts';
import type { DeployedRelease } from '../../src/format/generation.ts';
import { generation, release, service } from '../support/deployed.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';
import { smallBundle } from '../support/small-bundle.ts';

const scratch = scratchFolder();
const other = createServer();
let taken: number;
let free: number;
let bundle: Bundle;

beforeAll(async () => {
  bundle = (await smallBundle({ place: scratch.fresh(), images: false })).bundle;
  const spare = createServer();
  for (const each of [other, spare]) {
    await new Promise<void>((resolve) => each.listen(0, '127.0.0.1', resolve));
  }
  taken = (other.address() as AddressInfo).port;
  free = (spare.address() as AddressInfo).port;
  await new Promise((resolve) => spare.close(resolve));
});

afterAll(() => void other.close());

function on(port: number, name = 'chat', version = '1.0.0'): DeployedRelease {
  const ports = [{ name: 'http', address: '127.0.0.1', host: port, container: 80 }];
  return release({ name, version, services: [service({ release: name, ports })] });
}

const requiring = (version: string): Bundle => ({
  ...bundle,
  requires: { releases: [{ name: 'base', version }] },
});

describe('when a release wants a port', () => {
  it('may have one that is free, and leaves it free', async () => {
    for (let times = 0; times < 2; times += 1) {
      const found = await checkConstraints(bundle, on(free), generation(0));
      expect(found).toEqual([
        { rule: 'port', satisfied: true, reason: `127.0.0.1:${free} is free` },
      ]);
      requireSatisfied(found);
    }
  });

  it('may not have that of another program', async () => {
    const found = await checkConstraints(bundle, on(taken), generation(0));
    const error = await expectCode(() => requireSatisfied(found), 'host-unfit');
    expect(error.found).toBe(`127.0.0.1:${taken} is taken by another program on this host`);
  });

  it('may not have that of another release', async () => {
    const from = generation(1, on(free, 'embed'));
    const found = await checkConstraints(bundle, on(free), from);
    const error = await expectCode(() => requireSatisfied(found), 'host-unfit');
    expect(error.found).toBe(`127.0.0.1:${free} is taken by release embed`);
  });

  it('may have that of its own predecessor, which runs on it now', async () => {
    requireSatisfied(await checkConstraints(bundle, on(taken), generation(1, on(taken))));
  });
});

describe('when a release requires another', () => {
  it.each([
    ['^1.2.0', '1.4.0', true],
    ['^1.2.0', '2.0.0', false],
    ['>=1.0.0 <3.0.0', '2.9.9', true],
    ['*', undefined, false],
    ['*', '0.1.0', true],
    ['^1.2.0', '1.4.0-rc.1', false],
  ])('wants %s and finds %s: %s', async (range, version, satisfied) => {
    const from = version === undefined ? generation(0) : generation(1, on(free, 'base', version));
    const [first] = await checkConstraints(requiring(range), release(), from);
    expect(first).toMatchObject({ rule: 'requires', satisfied });
    expect(first?.reason).toContain(`this site runs ${version ?? 'none'}`);
  });

  it('names everything that does not hold at once', async () => {
    const found = await checkConstraints(requiring('^9'), on(taken), generation(0));
    const error = await expectCode(() => requireSatisfied(found), 'host-unfit');
    expect(error.defects).toHaveLength(2);
  });
});
