import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  createDepotTarget,
  type DepotService,
  depotUnit,
} from '../../../src/target/depot/depot.ts';
import { release } from '../../support/deployed.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { skipBecause } from '../../support/skip-because.ts';

const { signal } = new AbortController();

describe('when a site only serves', () => {
  const target = createDepotTarget();
  const of = { release: release(), service: 'server' };

  it('needs no engine, has nothing, and removes nothing', async () => {
    expect((await target.probe(signal)).engine).toBe('depot');
    expect(target.runsServices).toBe(false);
    expect(target.services(release())).toEqual([]);
    await target.removeSecret({ release: release(), name: 'x' }, signal);
    expect(await target.hasSecret({ release: release(), name: 'x' }, signal)).toBe(false);
    await target.forget([], [], signal);
  });

  it('reports a request to run something as a defect', () => {
    const start = { action: 'start-service', release: release(), subject: 'server' };
    expect(() => target.run(start, { withDepot: async () => {}, warn: () => {} }, signal)).toThrow(
      'cannot run',
    );
    expect(() => target.state(of, signal)).toThrow('cannot run');
  });
});

const ANALYZE = 'systemd-analyze';
const scratch = scratchFolder();
const service: DepotService = {
  ...{
    unit: 'stowage-depot-0a1b2c3d',
    site: 'plant-7',
    root: '/var/lib/stowage',
    command: ['/bin/true'],
  },
  ...{ listen: '10.0.0.5:5443', port: 5443, args: ['--modelcars'] },
  files: [{ option: '--tls-key', name: 'tls.key', path: '/etc/stowage/depot.key' }],
};
const strange = {
  ...service,
  ...{ site: 'plant 100%', root: '/srv/a b/$x%n', listen: '[::1]:443', port: 443 },
};

describe('when the depot is a service', () => {
  it('has a user of its own, no privilege, and reads neither keys nor what only root can read', () => {
    const lines = depotUnit(service).split('\n');
    for (const line of [
      ...['DynamicUser=yes', 'NoNewPrivileges=yes', 'ProtectSystem=strict'],
      ...['CapabilityBoundingSet=', 'AmbientCapabilities=', 'PrivateDevices=yes'],
      ...['InaccessiblePaths=-/var/lib/stowage/keys', 'RestrictNamespaces=yes'],
      ...['RuntimeDirectory=stowage-depot-0a1b2c3d', 'Restart=always'],
    ])
      expect(lines).toContain(line);
    expect(depotUnit(service)).toContain('--tls-key /run/stowage-depot-0a1b2c3d/tls.key');
    expect(depotUnit(service)).not.toContain('ReadWritePaths');
  });

  it('gets the one capability that a low port needs, and quotes what systemd would read otherwise', () => {
    const text = depotUnit(strange);
    expect(text).toContain('AmbientCapabilities=CAP_NET_BIND_SERVICE');
    expect(text).toContain('--site "/srv/a b/$$x%%n"');
    expect(text).toContain('Description=Stowage: depot of site plant 100%%');
  });

  it.for([
    ['an ordinary one', service],
    ['one with a strange folder', strange],
  ] as const)('is accepted by systemd-analyze: %s', ([, each], test) => {
    if (spawnSync(ANALYZE, ['--version']).status !== 0)
      skipBecause(test, 'systemd-analyze is not installed');
    const folder = scratch.fresh('units');
    mkdirSync(folder);
    const path = join(folder, 'stowage-depot-0a1b2c3d.service');
    writeFileSync(path, depotUnit(each));
    const { stderr } = spawnSync(ANALYZE, ['verify', path], { encoding: 'utf8' });
    expect(stderr.split('\n').filter((line) => line.includes('stowage-depot'))).toEqual([]);
  });
});
