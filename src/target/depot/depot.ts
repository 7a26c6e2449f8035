import type { Target } from '../target.ts';

/**
 * A site that serves its releases and runs nothing: its releases have no workload, so that whatever would start a
 * service is a defect, and whatever would remove something finds nothing.
 */
export function createDepotTarget(): Target {
  return {
    name: 'depot',
    runsServices: false,
    overridable: [],
    probe: async () => ({ engine: 'depot', version: '1.0.0' }),
    render: runsNothing,
    services: () => [],
    steps: () => ({ prepare: [], stop: [], start: [], expose: [], retire: [], clear: [] }),
    run: runsNothing,
    constraints: async () => [],
    diskUse: async () => [],
    hasSecret: async () => false,
    placeSecret: runsNothing,
    removeSecret: async () => {},
    endpoint: runsNothing,
    state: runsNothing,
    runInside: runsNothing,
    logs: async () => '',
    forget: async () => {},
  };
}

function runsNothing(): never {
  throw new Error('a site whose target is depot was asked to run something');
}
