import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { collect } from '../../src/site/applying/collect.ts';
import { install } from '../../src/site/applying/install.ts';
import { rollback } from '../../src/site/applying/rollback.ts';
import { uninstall } from '../../src/site/applying/uninstall.ts';
import { currentGeneration } from '../../src/site/generations.ts';
import type { SiteContext } from '../../src/site/site-context.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import { siteStatus } from '../../src/site/status.ts';
import type { Target } from '../../src/target/target.ts';
import { context } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { failed } from '../support/fake-engine.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';

/** A target under test, and what the suite must be able to see of it and to do to it. */
export interface TargetBench {
  readonly target: Target;
  /** Everything that it holds for any site, in a form that can be compared; `site` is what names carry. */
  held(site: string): unknown;
  /** Calls `hook` before and after each of the target's own operations; what it throws, the operation throws. */
  watch(hook: (moment: 'before' | 'after') => void): void;
  /** Makes the server of a release of this version never ready. */
  spoil(version: string): void;
  /** Changes a running service behind our back. */
  tamper(service: string): void;
  close(): Promise<void>;
}

/**
 * What planning, journal, gates, generations, receipts and rollback rely on, whatever a target runs. Every target
 * passes it unchanged.
 * @param health how the service `server`, whose port is called `http`, says that it is ready, as in a manifest
 */
export function everyTarget(name: string, health: object, make: () => TargetBench): void {
  const scratch = scratchFolder(true);
  let one: SmallBundle;
  let two: SmallBundle;

  beforeAll(async () => {
    const services = [
      {
        ...{ name: 'server', image: 'server', args: ['hello'], health },
        ports: [{ name: 'http', container: 80, host: 18_000 }],
      },
      { name: 'helper', image: 'server', args: ['help'], dependsOn: ['server'] },
    ];
    const place = (): string => scratch.fresh();
    one = await smallBundle({ place: place(), services });
    const { authority } = one;
    two = await smallBundle({ place: place(), services, authority, version: '2.0.0', seq: 2 });
  });

  interface Opened extends SiteContext {
    readonly bench: TargetBench;
  }

  const open = (): Opened => {
    const bench = make();
    onTestFinished(() => bench.close());
    return { ...context(), site: new SiteFolder(scratch.fresh()), target: bench.target, bench };
  };
  const put = (made: SmallBundle, options: Opened): ReturnType<typeof install> =>
    install(made.folder, { ...options, trust: made.trust });
  const standing = async ({ bench, site }: Opened): Promise<unknown> => ({
    held: bench.held(await site.id()),
    generation: (await currentGeneration(site)).number,
  });
  const states = async ({ site, target, signal }: Opened): Promise<string[]> => {
    const { services } = await siteStatus(site, target, signal);
    return services.map(
      ({ release, service, state }) => `${release} ${service.name} ${state.state}`,
    );
  };

  describe(`when ${name} is the target of a site`, () => {
    it('installs, replaces, returns and uninstalls, and leaves nothing of its own', async () => {
      const options = open();
      const before = options.bench.held('');
      const { receipt } = await put(one, options);
      expect(receipt?.health).toMatchObject([
        { service: 'chat server', state: 'running' },
        { service: 'chat helper', state: 'running' },
      ]);
      expect(await states(options)).toEqual(['chat server running', 'chat helper running']);
      await put(two, options);
      expect(await states(options)).toEqual(['chat server running', 'chat helper running']);
      expect((await rollback(undefined, options)).plan.to.number).toBe(1);
      expect(await states(options)).toEqual(['chat server running', 'chat helper running']);
      await uninstall('chat', options);
      expect(await states(options)).toEqual([]);
      await collect({ ...options, keep: 0, incomplete: false, dryRun: false });
      expect(options.bench.held('')).toEqual(before);
    });

    it('changes nothing when it has nothing to do', async () => {
      const options = open();
      await put(one, options);
      const before = await standing(options);
      expect((await put(one, options)).receipt).toBeUndefined();
      expect(await standing(options)).toEqual(before);
    });

    it('gates each service before those that depend on it start', async () => {
      const options = open();
      const { plan } = await put(one, options);
      const place = (wanted: (step: (typeof plan.steps)[number]) => boolean): number =>
        plan.steps.findIndex(wanted);
      const gated = place(
        ({ do: each }) => each.action === 'gate-service' && each.subject === 'server',
      );
      const helper = place(({ service, do: each }) => service === 'helper' && each.side === 'to');
      const switched = place(({ do: each }) => each.action === 'switch-generation');
      expect(gated).toBeGreaterThan(0);
      expect(gated).toBeLessThan(helper);
      expect(helper).toBeLessThan(switched);
    });

    it('puts the old generation back when the new one does not answer', async () => {
      const options = open();
      await put(one, options);
      const before = await standing(options);
      options.bench.spoil('2.0.0');
      const error = await expectCode(() => put(two, options), 'rolled-back');
      expect(error.message).toContain('server');
      expect(await standing(options)).toEqual(before);
      expect(await states(options)).toEqual(['chat server running', 'chat helper running']);
    });

    it('puts the old generation back when any operation of its own fails', async () => {
      const counted = open();
      await put(one, counted);
      let operations = 0;
      counted.bench.watch((moment) => {
        if (moment === 'before') operations += 1;
      });
      await put(two, counted);
      expect(operations).toBeGreaterThan(2);
      for (let broken = 1; broken <= operations; broken += 1) {
        const options = open();
        await put(one, options);
        const before = await standing(options);
        let count = 0;
        options.bench.watch((moment) => {
          count += Number(moment === 'after');
          if (moment === 'after' && count === broken) throw failed('no more');
        });
        await expectCode(() => put(two, options), 'rolled-back');
        expect(await standing(options), `operation ${broken}`).toEqual(before);
      }
    });

    it('stops when it is interrupted, and is as it was', async () => {
      const options = open();
      await put(one, options);
      const before = await standing(options);
      const controller = new AbortController();
      options.bench.watch(() => controller.abort());
      await expectCode(() => put(two, { ...options, signal: controller.signal }), 'interrupted');
      expect(await standing(options)).toEqual(before);
    });

    it('names what drifted', async () => {
      const options = open();
      await put(one, options);
      options.bench.tamper('server');
      const { services } = await siteStatus(options.site, options.target, options.signal);
      const drift = services.flatMap(({ service, drift: found }) =>
        found.length > 0 ? [service.name] : [],
      );
      expect(drift).toEqual(['server']);
    });

    it('reports its name, and which of its rules a person may override', async () => {
      const { target, signal } = open();
      expect((await target.probe(signal)).version).toMatch(/^[0-9]/);
      expect(new Set(target.overridable).size).toBe(target.overridable.length);
    });
  });
}
