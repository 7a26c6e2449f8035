import { describe, expect, it } from 'vitest';
import { existence } from '../../../../src/target/kubernetes/constraints/existence.ts';
import { twoServices } from '../rendered.ts';
import { ask, type Held, object } from './ask.ts';

const REGISTRY = '10.0.0.5:5443';
const classes = { runtimeClass: 'nvidia', priorityClass: 'serving' };
const claim = { weights: 'volume', claim: 'models' };
const secret = { images: { registry: REGISTRY, pullSecret: 'pull' } };

function pullSecret(value: string, type = 'kubernetes.io/dockerconfigjson'): Held {
  const data = { '.dockerconfigjson': Buffer.from(value).toString('base64') };
  return { Secret: [object('Secret', 'pull', { type, data })] };
}

function claimWith(accessModes: readonly string[], phase = 'Bound'): Held {
  const members = { spec: { accessModes }, status: { phase } };
  return { PersistentVolumeClaim: [object('PersistentVolumeClaim', 'models', members)] };
}

async function found(settings: object, held: Held): Promise<[string, boolean, string][]> {
  const all = await existence(ask(twoServices, held, { settings }));
  return all.map((each) => [each.rule, each.satisfied, each.found]);
}

describe('when site.yaml names objects of the cluster', () => {
  it('asks for nothing else', async () => {
    expect(await found({}, {})).toEqual([]);
  });

  it('finds each class once, though every service uses it', async () => {
    const held = {
      RuntimeClass: [object('RuntimeClass', 'nvidia')],
      PriorityClass: [object('PriorityClass', 'serving')],
    };
    expect(await found(classes, held)).toEqual([
      ['runtime-class', true, 'it exists'],
      ['priority-class', true, 'it exists'],
    ]);
  });

  it.each([
    ['missing', {}, false, 'it does not exist'],
    ['not to be read', { RuntimeClass: 403, PriorityClass: 403 }, true, 'not proven: 403'],
  ])('says so of classes that are %s', async (_, held, satisfied, text) => {
    expect((await found(classes, held)).map(([, ...rest]) => rest)).toEqual([
      [satisfied, text],
      [satisfied, text],
    ]);
  });

  it.each<[string, Held, boolean, RegExp]>([
    ['missing', {}, false, /does not exist/],
    ['for one node', claimWith(['ReadWriteOnce']), false, /ReadWriteOnce.*needs ReadOnlyMany/],
    ['for many nodes', claimWith(['ReadOnlyMany']), true, /exists/],
    ['for many writers', claimWith(['ReadWriteMany']), true, /exists/],
    ['still without a volume', claimWith(['ReadOnlyMany'], 'Pending'), true, /exists/],
    ['without its volume', claimWith(['ReadOnlyMany'], 'Lost'), false, /lost/],
  ])('judges a claim that is %s', async (_, held, satisfied, text) => {
    expect(await found(claim, held)).toEqual([['claim', satisfied, expect.stringMatching(text)]]);
  });

  const auths = (host: string): string =>
    JSON.stringify({ auths: { [host]: { auth: 'bm9kZXM6aHVudGVyMg==' } } });

  it.each<[string, Held, boolean, RegExp]>([
    ['missing', {}, false, /does not exist/],
    ['for the registry', pullSecret(auths(REGISTRY)), true, /exists/],
    ['of another type', pullSecret(auths(REGISTRY), 'Opaque'), false, /type is Opaque/],
    ['for another registry', pullSecret(auths('quay.io')), false, /for quay\.io, and not for 10/],
    ['damaged', pullSecret('{'), false, /for no registry/],
    ['of another shape', pullSecret('[]'), false, /for no registry/],
  ])('judges a pull secret that is %s, and shows no value', async (_, held, satisfied, text) => {
    const result = await found(secret, held);
    expect(result).toEqual([['pull-secret', satisfied, expect.stringMatching(text)]]);
    expect(JSON.stringify(result)).not.toMatch(/hunter2|bm9kZXM6/);
  });

  it('wants no entry of the registry in a pull secret where nodes have mirrors', async () => {
    const images = { registry: REGISTRY, pullSecret: 'pull', from: 'mirror' };
    expect(await found({ images }, pullSecret(auths('quay.io')))).toMatchObject([
      ['pull-secret', true, 'it exists'],
    ]);
  });
});
