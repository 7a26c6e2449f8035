import { describe, expect, it } from 'vitest';
import { GIB } from '../../../../src/core/limits.ts';
import { memory } from '../../../../src/target/container/constraints/memory.ts';
import { asking, type Packed, packed } from '../../../support/constraint-input.ts';
import { service } from '../../../support/deployed.ts';

const host = { files: { '/proc/meminfo': `MemFree: 1 kB\nMemTotal:       ${16 * 2 ** 20} kB\n` } };

/** A release whose services may use this much, each. */
function limited(name: string, ...gibibytes: readonly number[]): Packed {
  const services = gibibytes.map((each, index) =>
    service({ release: name, name: `s${index}`, memory: each * GIB }),
  );
  return packed({ name, services });
}

describe('when a release needs a host with memory', () => {
  it.each([
    [16, true],
    [17, false],
  ])('%i GiB: %s', async (gibibytes, satisfied) => {
    const needs = { releases: [], conflicts: [], host: { memory: gibibytes * GIB } };
    expect(await memory(asking({ to: [packed({}, { requires: needs })], host }))).toEqual([
      {
        rule: 'memory',
        satisfied,
        needs: `a host with ${gibibytes}.00 GiB of memory for release chat 1.0.0`,
        found: '16.00 GiB in total',
      },
    ]);
  });
});

describe('when services have memory limits', () => {
  it('adds them up', async () => {
    expect(await memory(asking({ to: [limited('chat', 9, 8)], host }))).toEqual([
      {
        rule: 'memory',
        satisfied: false,
        needs: '17.00 GiB of memory for the services of release chat 1.0.0',
        found: '16.00 GiB: 16.00 GiB minus 0 B reserved by other releases',
      },
    ]);
  });

  it.each([
    [8, true],
    [9, false],
  ])('leaves other releases what they reserve: %i GiB beside 8: %s', async (own, satisfied) => {
    const other = limited('embed', 4, 4);
    const found = await memory(asking({ from: [other], to: [other, limited('chat', own)], host }));
    expect(found).toMatchObject([
      { satisfied, found: '8.00 GiB: 16.00 GiB minus 8.00 GiB reserved by other releases' },
    ]);
  });

  it('does not count its own predecessor', async () => {
    const values = { from: [limited('chat', 15)], to: [limited('chat', 16)], host };
    expect(await memory(asking(values))).toMatchObject([{ satisfied: true }]);
  });

  it('fails if the memory is unknown', async () => {
    expect(await memory(asking({ to: [limited('chat', 1)] }))).toMatchObject([
      { satisfied: false, found: 'unknown: this host does not report its memory' },
    ]);
  });

  it('asks nothing of services that say nothing', async () => {
    expect(await memory(asking({ to: [packed()] }))).toEqual([]);
  });
});
