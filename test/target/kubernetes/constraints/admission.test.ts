import { describe, expect, it } from 'vitest';
import type { KubernetesObject } from '../../../../src/format/kubernetes.ts';
import { admission } from '../../../../src/target/kubernetes/constraints/admission.ts';
import { twoServices } from '../rendered.ts';
import { ask, type Held, object } from './ask.ts';

const SITE = '0a1b2c3d';

interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly causes?: readonly { reason: string; message: string; field: string }[];
}

/** Runs the rule where the server refuses some kinds in a dry run. The lab has the admission of a real server. */
async function tried(
  held: Held,
  refusals: Readonly<Record<string, Refusal>> = {},
  settings: object = {},
) {
  const input = ask(twoServices, held, { settings });
  const applied: KubernetesObject[] = [];
  const cluster = Object.assign(input.cluster, {
    tryApply: async (each: KubernetesObject, _: AbortSignal, options: { dryRun?: boolean }) => {
      expect(options).toEqual({ dryRun: true });
      applied.push(each);
      const refused = refusals[each.kind];
      if (refused === undefined) return { object: {} };
      return { failure: { reason: '', causes: [], ...refused } };
    },
  });
  const all = await admission({ ...input, cluster });
  return { applied, found: all.map((each) => [each.rule, each.satisfied, each.found]) };
}

function namespace(labels: object, phase = 'Active'): Held {
  const metadata = { name: 'stowage-chat', labels };
  return { Namespace: [object('Namespace', '', { metadata, status: { phase } })] };
}

describe('when the objects of a release are tried', () => {
  it('tries them elsewhere while the namespace does not exist, with a pod of each service', async () => {
    const { applied, found } = await tried({});
    expect(found).toEqual([
      ['namespace', true, 'it will be created'],
      ['admission', true, expect.stringContaining('in namespace default')],
    ]);
    const kinds = applied.map(({ kind }) => kind);
    for (const kind of ['Namespace', 'ConfigMap', 'NetworkPolicy', 'Deployment', 'Service'])
      expect(kinds).toContain(kind);
    expect(kinds.filter((kind) => kind === 'Pod')).toHaveLength(2);
    const places = applied.map(({ metadata }) => metadata.namespace);
    expect(new Set(places)).toEqual(new Set([undefined, 'default']));
  });

  it('tries them where they go if the namespace exists', async () => {
    const { applied } = await tried(namespace({ 'stowage.dev/site': SITE }));
    const places = applied.map(({ metadata }) => metadata.namespace);
    expect(new Set(places)).toEqual(new Set([undefined, 'stowage-chat']));
  });

  it.each<[string, Held, RegExp]>([
    ['has another owner', namespace({ 'stowage.dev/site': 'ffffffff' }), /site ffffffff/],
    ['was not made by Stowage', namespace({}), /did not make/],
    ['is being deleted', namespace({ 'stowage.dev/site': SITE }, 'Terminating'), /deleted/],
    ['may not be read', { Namespace: 403 }, /403/],
  ])('tries nothing where the namespace %s', async (_, held, text) => {
    const { applied, found } = await tried(held);
    expect(found).toEqual([['namespace', false, expect.stringMatching(text)]]);
    expect(applied).toEqual([]);
  });

  it.each<[string, Held, boolean]>([
    ['does not exist', {}, false],
    ['may not be read', { Namespace: 403 }, true],
  ])('judges a namespace of the owner that %s', async (_, held, satisfied) => {
    const { applied, found } = await tried(held, {}, { namespace: 'models' });
    expect(found[0]).toEqual(['namespace', satisfied, expect.any(String)]);
    expect(applied.some(({ kind }) => kind === 'Namespace')).toBe(false);
  });

  it('names each object that is refused, and why', async () => {
    const message = 'violates PodSecurity "restricted:latest"';
    const { found } = await tried({}, { Pod: { status: 403, message } });
    expect(found[1]).toEqual(['admission', false, expect.stringContaining(message)]);
    expect(found[1]?.[2]).toMatch(/Pod default\/back-.*; Pod default\/front-/);
  });

  it('names the manager and the field of a conflict', async () => {
    const cause = {
      reason: 'FieldManagerConflict',
      message: 'conflict with "kubectl-edit" using apps/v1',
      field: '.spec.replicas',
    };
    const refused = { status: 409, message: 'Apply failed with 1 conflict', causes: [cause] };
    const { found } = await tried({}, { Deployment: refused });
    expect(found[1]?.[2]).toContain('kubectl-edit manages .spec.replicas');
  });

  it('tries no pod for an account that may not create one, because a controller will', async () => {
    const message = 'pods is forbidden: User "x" cannot create resource "pods"';
    const satisfied = async (kind: string): Promise<unknown> =>
      (await tried({}, { [kind]: { status: 403, message } })).found[1]?.[1];
    expect([await satisfied('Pod'), await satisfied('Service')]).toEqual([true, false]);
  });
});
