import type { Target } from '../target.ts';

/**
 * Serves releases without running them. They have no workload, so starting a service is a defect, and there is never
 * anything to remove.
 */
export function createDepotTarget(): Target {
  return {
    name: 'depot',
    runsServices: false,
    overridable: [],
    probe: async () => ({ engine: 'depot', version: '1.0.0' }),
    render: runsNothing,
    services: () => [],
    steps: () => ({
      ...{ open: [], prepare: [], stop: [], start: [], expose: [] },
      ...{ retire: [], clear: [], close: [] },
    }),
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
    followLogs: runsNothing,
    stop: runsNothing,
    forget: async () => {},
  };
}

function runsNothing(): never {
  throw new Error('the target depot cannot run services');
}
