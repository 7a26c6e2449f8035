import { beforeEach, describe, expect, it } from 'vitest';
import { GIB } from '../../../../src/core/limits.ts';
import { type Constraint, IGNORED } from '../../../../src/format/plan.ts';
import { BlobStore } from '../../../../src/io/blob-store.ts';
import { layers, limits } from '../../../../src/target/container/constraints/engine.ts';
import type { IgnoredLimits } from '../../../../src/target/container/engine.ts';
import { asking, packed } from '../../../support/constraint-input.ts';
import { image, service } from '../../../support/deployed.ts';
import { scratchFolder } from '../../../support/scratch.ts';

const TAR = 'application/vnd.oci.image.layer.v1.tar';
const scratch = scratchFolder();
let store: BlobStore;

beforeEach(() => {
  store = new BlobStore(scratch.fresh('store'));
});

/** What is said of an image with these layers on an engine. */
async function said(
  types: readonly string[],
  [engine, version, driver]: readonly [string, string, string?],
): Promise<readonly Constraint[]> {
  const manifest = await store.put(
    Buffer.from(JSON.stringify({ layers: types.map((mediaType) => ({ mediaType })) })),
  );
  const one = packed({ services: [service({ image: { ...image(1), manifest } })] });
  const base = { engine, version, systemd: false, rootless: false, names: true };
  const facts = driver === undefined ? base : { ...base, driver };
  return layers(asking({ to: [one], facts, store }));
}

describe('when an image has many layers', () => {
  const docker = ['docker', '20.10.24+dfsg1', 'overlay2'] as const;
  const podman = ['podman', '4.3.1', 'overlay'] as const;

  it.each([
    [125, docker, []],
    [126, docker, [false]],
    [125, podman, []],
    [126, podman, [true]],
    [128, podman, [true]],
    [129, podman, [false]],
    [400, ['podman', '4.3.1', 'vfs'] as const, [true]],
    [400, ['docker', '28.3.0', 'overlayfs'] as const, [true]],
    [400, ['docker', '28.3.0'] as const, [true]],
  ])('of %i layers, on %j: %j', async (count, engine, satisfied) => {
    const found = await said(Array(count).fill(TAR), engine);
    expect(found.map((each) => [each.rule, each.satisfied])).toEqual(
      satisfied.map((each) => ['layers', each]),
    );
  });
});

describe('when an image has a layer compressed with zstd', () => {
  it.each([
    ['docker', '20.10.24+dfsg1', false],
    ['docker', '22.6.0', false],
    ['docker', '23.0.0', true],
    ['docker', '28.2.2', true],
    ['podman', '4.3.1', true],
  ])('%s %s unpacks it: %s', async (engine, version, satisfied) => {
    const found = await said([`${TAR}+gzip`, `${TAR}+zstd`], [engine, version]);
    expect(found).toMatchObject([{ rule: 'layers', satisfied }]);
  });

  it('says nothing where the manifest is not in the store', async () => {
    expect(await layers(asking({ to: [packed()], store }))).toEqual([]);
  });
});

const rootlessPodman = {
  engine: 'podman',
  version: '4.3.1',
  systemd: false,
  rootless: true,
  names: true,
};
const reason = 'rootless podman ignores resource limits on cgroups v1';
const to = [
  packed({
    services: [
      service({ name: 'chat', memory: GIB, cpus: 7.5 }),
      service({ name: 'page' }),
      service({ name: 'search' }),
    ],
  }),
];
const noted = (...limitsOf: readonly string[]) =>
  limitsOf.map((each) => {
    const needs = `limits of ${each}`;
    return { rule: IGNORED, satisfied: true, needs, found: `not enforced: ${reason}` };
  });

describe('when services have limits', () => {
  it.each<[IgnoredLimits['limits'], ReturnType<typeof noted>]>([
    [
      ['memory', 'pids', 'cpus'],
      noted(
        'service chat of release chat 1.0.0 (memory, pids, cpus)',
        'services page, search of release chat 1.0.0 (pids)',
      ),
    ],
    [['memory', 'cpus'], noted('service chat of release chat 1.0.0 (memory, cpus)')],
    [['cpus'], noted('service chat of release chat 1.0.0 (cpus)')],
    [['pids'], noted('services chat, page, search of release chat 1.0.0 (pids)')],
  ])('notes those of each that the engine does not enforce: %j', (ignored, expected) => {
    const ignoredLimits = { limits: ignored, reason };
    expect(limits(asking({ to, facts: { ...rootlessPodman, ignoredLimits } }))).toEqual(expected);
  });

  it('notes nothing where the engine enforces all, and of releases that stay', () => {
    expect(limits(asking({ to, facts: rootlessPodman }))).toEqual([]);
    const ignoredLimits = { limits: ['memory', 'pids'], reason } as const;
    expect(limits(asking({ from: to, to, facts: { ...rootlessPodman, ignoredLimits } }))).toEqual(
      [],
    );
  });
});
