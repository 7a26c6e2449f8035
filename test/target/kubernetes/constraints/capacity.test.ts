import { describe, expect, it } from 'vitest';
import { quota } from '../../../../src/target/kubernetes/constraints/capacity.ts';
import { twoServices } from '../rendered.ts';
import { ask, object } from './ask.ts';

/** Two services: one pod requests 1 GiB and 1.5 processors, the other nothing. */
const settings = { namespace: 'models' };

function quotaOf(hard: object, used: object, spec: object = {}): object {
  return object('ResourceQuota', 'team', { spec: { hard, ...spec }, status: { hard, used } });
}

async function found(
  quotas: readonly object[] | number,
  more: object = {},
): Promise<[boolean, string][]> {
  const all = await quota(ask(twoServices, { ResourceQuota: quotas }, { settings, ...more }));
  return all.map((each) => [each.satisfied, each.found]);
}

describe('when a namespace has a quota', () => {
  it.each<[string, object, object, boolean]>([
    ['pods: one too few', { pods: '4' }, { pods: '3' }, false],
    ['pods: just enough', { pods: '5' }, { pods: '3' }, true],
    [
      'memory: one byte too little',
      { 'requests.memory': '2147483647' },
      { 'requests.memory': '1Gi' },
      false,
    ],
    ['memory: just enough', { 'requests.memory': '2Gi' }, { 'requests.memory': '1Gi' }, true],
    ['processors by the short key', { cpu: '2' }, { cpu: '600m' }, false],
    ['limits', { 'limits.memory': '1Gi' }, { 'limits.memory': '1Mi' }, false],
    ['Deployments', { 'count/deployments.apps': '1' }, { 'count/deployments.apps': '0' }, false],
    ['a resource that nothing uses', { 'requests.nvidia.com/gpu': '0' }, {}, true],
  ])('adds up what starts together: %s', async (_, hard, used, satisfied) => {
    expect(await found([quotaOf(hard, used)])).toEqual([[satisfied, expect.any(String)]]);
  });

  it('says what is used and what is needed', async () => {
    expect(await found([quotaOf({ pods: '4' }, { pods: '3' })])).toEqual([
      [false, 'quota team: pods: 3 of 4 used, 2 more needed for the services'],
    ]);
  });

  it('subtracts what stops before', async () => {
    const from = twoServices.replace('cpus: 1.5', 'cpus: 1').replace('1.0.0', '0.9.0');
    const full = [quotaOf({ 'requests.memory': '1Gi' }, { 'requests.memory': '1Gi' })];
    expect(await found(full, { from })).toMatchObject([[false, expect.any(String)]]);
    const exclusive = [{ release: 'chat', service: 'front' }];
    expect(await found(full, { from, exclusive })).toEqual([[true, 'enough is left']]);
  });

  // The Job ends before the services start, and what runs until then still counts.
  it.each<[string, object, object, boolean]>([
    ['its pod is one too many', { pods: '2' }, { pods: '2' }, false],
    ['its pod has room, and those of the services too', { pods: '4' }, { pods: '2' }, true],
    ['its memory', { 'requests.memory': '2Gi' }, { 'requests.memory': '1900Mi' }, false],
    ['its processors', { 'limits.cpu': '2' }, { 'limits.cpu': '500m' }, false],
    ['Jobs', { 'count/jobs.batch': '1' }, { 'count/jobs.batch': '1' }, false],
  ])('counts the Job that fills a volume: %s', async (_, hard, used, satisfied) => {
    const filled = { namespace: 'models', weights: 'volume', claim: 'shared', fill: {} };
    const from = twoServices
      .replace('1.0.0', '0.9.0')
      .replace('registry.example/server:1.0', 'x/y:1');
    const exclusive = [
      { release: 'chat', service: 'front' },
      { release: 'chat', service: 'back' },
    ];
    const [judged] = await found([quotaOf(hard, used)], { settings: filled, from, exclusive });
    expect(judged?.[0]).toBe(satisfied);
    if (!satisfied) expect(judged?.[1]).toMatch(/for the Job that fills claim shared$/);
  });

  it.each<[string, readonly object[] | number, string]>([
    ['there is none', [], 'no quota'],
    [
      'it has scopes',
      [quotaOf({ pods: '0' }, {}, { scopes: ['BestEffort'] })],
      'enough is left; quotas with scopes were not checked',
    ],
    ['it may not be read', 403, 'not proven: the account may not list resourcequotas'],
  ])('says so if %s', async (_, quotas, text) => {
    expect(await found(quotas)).toEqual([[true, text]]);
  });
});
