import { describe, expect, it } from 'vitest';
import type { Change } from '../../../src/target/change.ts';
import { kubernetesSteps } from '../../../src/target/kubernetes/steps.ts';
import type { TargetStep } from '../../../src/target/target.ts';
import { bundleFrom, clusterSite, deployed, generationOf, twoServices } from './rendered.ts';

const one = deployed(bundleFrom(twoServices));
const two = deployed(
  bundleFrom(twoServices.replace('cpus: 1.5', 'cpus: 2').replace('1.0.0', '1.1.0')),
);
const moved = deployed(bundleFrom(twoServices), clusterSite({ namespace: 'models' }));
const front = twoServices.slice(0, twoServices.indexOf('  - name: back'));
const fewer = deployed(
  bundleFrom(front.replace('    dependsOn: [back]\n', '').replace('1.0.0', '1.2.0')),
);
const none = generationOf(0);

const change = (from: typeof none, to: typeof none, more: Partial<Change> = {}): Change => ({
  ...{ intent: 'install', from, to, bundles: new Map() },
  ...more,
});

/** `action side subject undo`, where `-` is a step that is not undone. */
const told = (steps: readonly TargetStep[]): string[] =>
  steps.map(({ action, side, subject, undo = '-', undoSide }) =>
    [action, side, subject, undo, ...(undoSide === undefined ? [] : [undoSide])].join(' '),
  );

describe('when a release is installed first', () => {
  const steps = kubernetesSteps(change(none, generationOf(1, one)));

  it('makes the namespace, then what the services need, each service after what it depends on', () => {
    expect(told(steps.open)).toEqual(['open-namespace to stowage-chat close-namespace']);
    expect(told(steps.prepare)).toEqual(['apply-objects to chat remove-objects']);
    expect(told(steps.start)).toEqual([
      'start-deployment to back stop-deployment',
      'start-deployment to front stop-deployment',
    ]);
  });

  it('directs clients last, and removes nothing', () => {
    expect(told(steps.expose)).toEqual([
      'point-service to back remove-service',
      'point-service to front remove-service',
    ]);
    for (const each of [steps.stop, steps.retire, steps.clear, steps.close])
      expect(each).toEqual([]);
  });
});

describe('when a release is replaced', () => {
  const steps = kubernetesSteps(change(generationOf(1, one), generationOf(2, two)));

  it('starts the new pods beside the old ones, and can lead clients back', () => {
    expect(told(steps.open)).toEqual(['open-namespace to stowage-chat -']);
    expect(steps.stop).toEqual([]);
    expect(told(steps.expose)).toEqual([
      'point-service to back return-service from',
      'point-service to front return-service from',
    ]);
  });

  it('removes the old pods by steps that are never undone', () => {
    expect(told(steps.retire)).toEqual([
      'remove-deployment from back -',
      'remove-deployment from front -',
      'remove-objects from chat -',
    ]);
  });

  it('stops first what has no room beside its successor, last dependents first', () => {
    const exclusive = ['back', 'front'].map((service) => ({ release: 'chat', service }));
    const { stop } = kubernetesSteps(
      change(generationOf(1, one), generationOf(2, two), { exclusive }),
    );
    expect(told(stop)).toEqual([
      'stop-deployment from front start-deployment',
      'stop-deployment from back start-deployment',
    ]);
  });

  it('neither stops nor starts what a person stopped', () => {
    const stopped = [{ release: 'chat', service: 'front' }];
    const steps = kubernetesSteps(change(generationOf(1, one), generationOf(2, two), { stopped }));
    expect(told(steps.start)).toEqual(['start-deployment to back stop-deployment']);
    expect(told(steps.expose)).toEqual(['point-service to back return-service from']);
  });

  it('takes clients from a service that is gone', () => {
    const { expose } = kubernetesSteps(change(generationOf(1, one), generationOf(2, fewer)));
    expect(told(expose)).toContain('remove-service from back return-service');
  });

  it('leaves the old namespace behind when the site names another', () => {
    const steps = kubernetesSteps(change(generationOf(1, one), generationOf(2, moved)));
    expect(told(steps.open)).toEqual(['open-namespace to models close-namespace']);
    expect(told(steps.retire)).toContain('close-namespace from stowage-chat -');
    expect(told(steps.expose)).toContain('remove-service from front return-service');
  });
});

describe('when a release is uninstalled', () => {
  const steps = kubernetesSteps(
    change(generationOf(1, one), generationOf(2), { intent: 'uninstall' }),
  );

  it('stops dependents first, and everything can be restored', () => {
    expect(told(steps.stop)).toEqual([
      'stop-deployment from front start-deployment',
      'stop-deployment from back start-deployment',
    ]);
    expect(told(steps.expose)).toEqual([
      'remove-service from back return-service',
      'remove-service from front return-service',
    ]);
    expect(told(steps.clear)).toEqual(['remove-objects from chat apply-objects']);
    expect(told(steps.close)).toEqual(['close-namespace from stowage-chat -']);
    expect(steps.retire).toEqual([]);
  });
});

describe('when a service is repaired', () => {
  it.each([
    [true, '-'],
    [false, 'stop-deployment'],
  ])('does not stop one that ran by an undo (running: %s)', (running, undo) => {
    const repairs = [{ release: 'chat', service: 'front', running, reason: 'it drifted' }];
    const same = generationOf(1, one);
    const steps = kubernetesSteps(change(same, same, { repairs }));
    expect(told(steps.start)).toEqual([`start-deployment to front ${undo}`]);
    expect(told(steps.expose)).toEqual(['point-service to front -']);
    expect(told(steps.prepare)).toEqual(['apply-objects to chat -']);
  });
});
