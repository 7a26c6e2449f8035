import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  checkConstraints,
  requireSatisfied,
} from '../../../src/deploy/constraints/check-constraints.ts';
import type { Question } from '../../../src/deploy/constraints/constraint.ts';
import { SiteFolder } from '../../../src/deploy/site-folder.ts';
import { stateOf } from '../../../src/deploy/site-state.ts';
import type { Bundle } from '../../../src/format/bundle.ts';
import { checkDocument } from '../../../src/format/document.ts';
import type { DeployedRelease } from '../../../src/format/generation.ts';
import { siteKind } from '../../../src/format/site.ts';
import { context, packedAt } from '../../support/context.ts';
import { generation, release, service } from '../../support/deployed.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { smallBundle } from '../../support/small-bundle.ts';

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
  requires: { releases: [{ name: 'base', version }], conflicts: [] },
});

function question(asked: Bundle, wanted: DeployedRelease, from: Question['from']): Question {
  return {
    bundle: asked,
    wanted,
    from,
    site: new SiteFolder(scratch.fresh()),
    settings: checkDocument(siteKind, { apiVersion: 'stowage/v1', name: 'site' }),
    state: stateOf([]),
    engine: { engine: 'podman', version: '5.0.0', systemd: false },
    now: packedAt,
    signal: context().signal,
  };
}

describe('when a release wants a port', () => {
  it('may have one that is free, and leaves it free', async () => {
    for (let times = 0; times < 2; times += 1) {
      const found = await checkConstraints(question(bundle, on(free), generation(0)));
      expect(found).toEqual([
        { rule: 'port', satisfied: true, needs: `127.0.0.1:${free} is free`, found: 'free' },
      ]);
      requireSatisfied(found);
    }
  });

  it('may not have that of another program', async () => {
    const found = await checkConstraints(question(bundle, on(taken), generation(0)));
    const error = await expectCode(() => requireSatisfied(found), 'host-unfit');
    expect(error.expected).toBe(`127.0.0.1:${taken} is free`);
    expect(error.found).toBe('taken by another program on this host');
  });

  it('may not have that of another release', async () => {
    const from = generation(1, on(free, 'embed'));
    const found = await checkConstraints(question(bundle, on(free), from));
    const error = await expectCode(() => requireSatisfied(found), 'host-unfit');
    expect(error.found).toBe('taken by release embed');
  });

  it('may have that of its own predecessor, which runs on it now', async () => {
    requireSatisfied(await checkConstraints(question(bundle, on(taken), generation(1, on(taken)))));
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
    const [first] = await checkConstraints(question(requiring(range), release(), from));
    expect(first).toMatchObject({ rule: 'requires', satisfied });
    expect(first?.found).toBe(version ?? 'none');
  });

  it('names everything that does not hold at once', async () => {
    const found = await checkConstraints(question(requiring('^9'), on(taken), generation(0)));
    const error = await expectCode(() => requireSatisfied(found), 'host-unfit');
    expect(error.defects).toHaveLength(2);
  });
});
