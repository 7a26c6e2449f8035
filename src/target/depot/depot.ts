import type { Engine, ServiceState, Target } from '../target.ts';

/**
 * A site that serves its releases and runs nothing: no service, image, network or secret is ever planned for it
 * (`site/planning/render.ts`), so that what would start one is a defect, and what would remove one finds nothing.
 */
export function createDepotTarget(): Target {
  const engine: Engine = {
    engine: 'depot',
    version: '1.0.0',
    systemd: false,
    rootless: false,
    names: false,
  };
  const absent: ServiceState = { state: 'absent', detail: '' };
  const nothing = async (): Promise<void> => {};
  return {
    name: 'depot',
    probe: async () => engine,
    hasImage: async () => false,
    loadImage: never,
    unloadImage: nothing,
    createNetwork: never,
    removeNetwork: nothing,
    hasSecret: async () => false,
    placeSecret: never,
    removeSecret: nothing,
    startService: never,
    stopService: nothing,
    inspectService: async () => absent,
    runInside: never,
    logs: async () => '',
  };
}

async function never(): Promise<never> {
  throw new Error('a site whose target is depot was asked to run something');
}
