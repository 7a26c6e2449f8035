import { describe, expect, it } from 'vitest';
import type { Bundle } from '../../../../src/format/bundle.ts';
import type { Isolation } from '../../../../src/format/isolation.ts';
import type { ClusterConstraintInput } from '../../../../src/target/kubernetes/constraints/constraint.ts';
import { isolation } from '../../../../src/target/kubernetes/constraints/isolation.ts';
import { objectsRelease, plain } from '../../../support/objects-release.ts';
import { clusterSite, generationOf } from '../rendered.ts';

/** What the plan of a cluster says of a service with these fields. */
function said(fields: Isolation): string[] {
  const object = plain({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } });
  const { release, bundle } = objectsRelease([object], { settings: clusterSite({}) });
  const services = [{ name: 'llm', ...fields }] as unknown as Bundle['services'];
  const input = {
    change: {
      ...{ intent: 'install', from: generationOf(0), to: generationOf(1, release) },
      bundles: new Map([[release.bundle, { ...bundle, services }]]),
    },
  } as unknown as ClusterConstraintInput;
  const constraints = isolation(input);
  expect(constraints.every(({ rule, satisfied }) => rule === 'ignored' && satisfied)).toBe(true);
  return constraints.map(({ needs }) => needs.replace(/ of service llm .*/, ''));
}

describe('when a release for a cluster has settings that pods do not have', () => {
  it.each<[Isolation, string[]]>([
    [{}, []],
    [{ ipc: 'private' }, []],
    [{ ulimits: { memlock: 'unlimited', nofile: 65_536 } }, ['ulimits memlock, nofile']],
    [{ ulimits: { stack: 1024 }, ipc: 'host' }, ['ulimits stack', 'ipc host']],
  ])('says of %j that it ignores %j', (fields, notes) => {
    expect(said(fields)).toEqual(notes);
  });
});
