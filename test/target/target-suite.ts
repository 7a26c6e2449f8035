import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Plan } from '../../src/format/plan.ts';
import { install, rollback, uninstall } from '../../src/site/applying/change-release.ts';
import { collect } from '../../src/site/applying/collect.ts';
import { operateServices } from '../../src/site/applying/operate-services.ts';
import { writeStatement } from '../../src/site/applying/statement.ts';
import { currentGeneration } from '../../src/site/generations.ts';
import { readLedger } from '../../src/site/ledger/site-ledger.ts';
import { type SiteContext, SiteFolder } from '../../src/site/site-folder.ts';
import { siteStatus } from '../../src/site/status.ts';
import type { Target } from '../../src/target/target.ts';
import { context } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { failed } from '../support/fake-engine.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type SmallBundle, type SmallBundleOptions, smallBundle } from '../support/small-bundle.ts';

/** A target under test, and what the suite must be able to see of it and to do to it. */
export interface TargetBench {
  readonly target: Target;
  /** The text of `site.yaml`; absent for a site with the usual settings. */
  readonly settings?: string;
  /** Everything that it holds for any site, in a form that can be compared; `site` is what names carry. */
  held(site: string): unknown | Promise<unknown>;
  /** Calls `hook` before and after each of the target's own operations; what it throws, the operation throws. */
  watch(hook: (moment: 'before' | 'after') => void): void;
  /** Makes the server of a release of this version never ready. */
  spoil(version: string): void;
  /** Changes a running service behind our back. */
  tamper(service: string): void | Promise<void>;
  /** Stops a running service behind our back. */
  halt(service: string): void | Promise<void>;
  close(): Promise<void>;
}

/** What the services of the suite run, where that is real. */
export interface TargetContent {
  readonly image: NonNullable<SmallBundleOptions['image']>;
  /** Members of both services. */
  readonly members: Readonly<Record<'server' | 'helper', object>>;
  /** Called with each bundle before the first test. */
  carry(bundle: SmallBundle): Promise<void>;
}

/**
 * What planning, journal, gates, generations, receipts and rollback rely on, whatever a target runs. Every target
 * passes it unchanged.
 * @param health how the service `server`, whose port is called `http`, says that it is ready, as in a manifest
 * @param content made before the first bench; without it, nothing is run
 */
export function everyTarget(
  name: string,
  health: object,
  make: () => TargetBench,
  content?: () => Promise<TargetContent | undefined>,
): void {
  const scratch = scratchFolder(true);
  let one: SmallBundle;
  let two: SmallBundle;

  beforeAll(async () => {
    const real = await content?.();
    if (content !== undefined && real === undefined) return;
    const services = [
      {
        ...{ name: 'server', image: 'server', args: ['hello'], health },
        ports: [{ name: 'http', container: 80, host: 18_000 }],
        ...real?.members.server,
      },
      {
        ...{ name: 'helper', image: 'server', args: ['help'], dependsOn: ['server'] },
        ...real?.members.helper,
      },
    ];
    const common = { services, ...(real === undefined ? {} : { image: real.image }) };
    const place = (): string => scratch.fresh();
    one = await smallBundle({ place: place(), ...common });
    const { authority } = one;
    two = await smallBundle({ place: place(), ...common, authority, version: '2.0.0', seq: 2 });
    for (const each of [one, two]) await real?.carry(each);
  });

  interface Opened extends SiteContext {
    readonly bench: TargetBench;
  }

  const open = (): Opened => {
    const bench = make();
    onTestFinished(() => bench.close());
    const folder = scratch.fresh();
    if (bench.settings !== undefined) {
      mkdirSync(folder);
      writeFileSync(join(folder, 'site.yaml'), bench.settings);
    }
    return { ...context(), site: new SiteFolder(folder), target: bench.target, bench };
  };
  const put = (made: SmallBundle, options: Opened): ReturnType<typeof install> =>
    install(made.folder, { ...options, trust: made.trust });
  const standing = async ({ bench, site }: Opened) => ({
    held: await bench.held(await site.id()),
    generation: (await currentGeneration(site)).number,
  });
  const states = async (opened: Opened): Promise<string[]> => {
    const { services } = await siteStatus(opened);
    return services.map(
      ({ release, service, state }) => `${release} ${service.name} ${state.state}`,
    );
  };

  const started = ({ steps }: Plan): string[] =>
    steps.flatMap(({ service }) => (service === undefined ? [] : [service]));

  describe(`when ${name} is the target of a site`, () => {
    it('installs, replaces, returns and uninstalls, and leaves nothing of its own', async () => {
      const options = open();
      const before = await options.bench.held('');
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
      expect(await options.bench.held('')).toEqual(before);
    });

    it('returns to the generation that ran before, past those that a rollback left behind', async () => {
      const options = open();
      await put(one, options);
      await put(two, options);
      await rollback(undefined, options);
      expect((await put(two, options)).plan.to.number).toBe(3);
      const collected = { ...options, keep: 1, incomplete: false, dryRun: false };
      expect((await collect(collected)).generations).toEqual([2]);
      expect((await rollback(undefined, options)).plan.to.number).toBe(1);
      expect(await states(options)).toEqual(['chat server running', 'chat helper running']);
      await expectCode(() => rollback(undefined, options), 'generation-unknown');
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

    it('puts the old generation back when any operation fails before the new one is current, and finishes after that', async () => {
      const counted = open();
      await put(one, counted);
      let operations = 0;
      counted.bench.watch((moment) => {
        if (moment === 'before') operations += 1;
      });
      const { plan } = await put(two, counted);
      // Only the last steps, which remove what the generation before had, are without an undo.
      const last = plan.steps.findLastIndex(({ undo, do: { side } }) => {
        return undo !== undefined || side !== 'from';
      });
      const retiring = plan.steps.length - 1 - last;
      expect(operations - retiring).toBeGreaterThan(2);
      for (let broken = 1; broken <= operations; broken += 1) {
        const options = open();
        await put(one, options);
        const before = await standing(options);
        let count = 0;
        options.bench.watch((moment) => {
          count += Number(moment === 'after');
          if (moment === 'after' && count === broken) throw failed('no more');
        });
        if (broken <= operations - retiring) {
          await expectCode(() => put(two, options), 'rolled-back');
          expect(await standing(options), `operation ${broken}`).toEqual(before);
          continue;
        }
        await expectCode(() => put(two, options), 'apply-unfinished');
        expect(await states(options)).toEqual(['chat server running', 'chat helper running']);
        expect((await put(two, options)).receipt, `operation ${broken}`).toBeUndefined();
        expect((await standing(options)).generation).toBe(2);
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
      await options.bench.tamper('server');
      const { services } = await siteStatus(options);
      const drift = services.flatMap(({ service, drift: found }) =>
        found.length > 0 ? [service.name] : [],
      );
      expect(drift).toEqual(['server']);
    });

    it('repairs what was stopped, and has nothing to do then', async () => {
      const options = open();
      await put(one, options);
      const before = await standing(options);
      await options.bench.halt('server');
      expect(await states(options)).toEqual(['chat server absent', 'chat helper running']);
      const { plan, receipt } = await put(one, options);
      expect(plan.to.number).toBe(1);
      expect(started(plan)).toEqual(['server']);
      expect(plan.steps.map(({ do: each }) => each.action)).toContain('gate-service');
      expect(receipt).toMatchObject({
        ...{ intent: 'install', outcome: 'kept', generation: 1 },
        health: [{ service: 'chat server', state: 'running' }, { state: 'running' }],
      });
      expect(await standing(options)).toEqual(before);
      expect((await put(one, options)).receipt).toBeUndefined();
    });

    it('repairs what drifted', async () => {
      const options = open();
      await put(one, options);
      await options.bench.tamper('helper');
      const told = await writeStatement(options);
      expect(told.health[1]?.drift).toHaveLength(1);
      const { plan } = await put(one, options);
      expect(started(plan)).toEqual(['helper']);
      expect(plan.outage.services).toEqual(['chat helper']);
      const { services } = await siteStatus(options);
      expect(services.flatMap(({ drift }) => drift)).toEqual([]);
      expect((await put(one, options)).receipt).toBeUndefined();
    });

    it('is as it was when a repair fails or is interrupted', async () => {
      const options = open();
      await put(one, options);
      await options.bench.halt('server');
      const before = await standing(options);
      const controller = new AbortController();
      options.bench.watch((moment) => {
        if (moment === 'after') controller.abort();
      });
      await expectCode(() => put(one, { ...options, signal: controller.signal }), 'interrupted');
      expect(await standing(options)).toEqual(before);
      options.bench.watch(() => {});
      options.bench.spoil('1.0.0');
      const error = await expectCode(() => put(one, options), 'rolled-back');
      expect(error.message).toContain('generation 1 is still current');
      expect(await standing(options)).toEqual(before);
    });

    it('keeps a service stopped that a person stopped, until it is started', async () => {
      const options = open();
      await put(one, options);
      const before = await standing(options);
      const helper = { release: 'chat', services: ['helper'] };
      const stays = async (): Promise<void> => {
        const { services } = await siteStatus(options);
        expect(
          services.map(({ state, stoppedAt }) => [state.state, stoppedAt !== undefined]),
        ).toEqual([
          ['running', false],
          ['absent', true],
        ]);
      };
      for (const already of [false, true]) {
        expect(await operateServices('stop', helper, options)).toEqual([
          { release: 'chat', service: 'helper', already },
        ]);
        await stays();
      }
      const again = await put(one, options);
      expect(again.receipt).toBeUndefined();
      expect(again.stopped).toMatchObject([{ release: 'chat', service: 'helper' }]);
      const upgraded = await put(two, options);
      expect(upgraded.receipt?.health[1]).toMatchObject({
        state: 'absent',
        stoppedAt: expect.any(String),
      });
      await stays();
      await rollback(undefined, options);
      await stays();
      for (const already of [false, true]) {
        const { length } = (await readLedger(options.site)).entries;
        const [started] = await operateServices('start', helper, options);
        expect(started).toMatchObject({ already });
        expect((await readLedger(options.site)).entries.length - length).toBe(already ? 0 : 1);
      }
      expect(await states(options)).toEqual(['chat server running', 'chat helper running']);
      const { generation } = await standing(options);
      expect({ generation }).toEqual({ generation: before.generation });
    });

    it('does not start a service that a person stopped when an upgrade fails', async () => {
      const options = open();
      await put(one, options);
      await operateServices('stop', { release: 'chat', services: ['helper'] }, options);
      const before = await standing(options);
      options.bench.spoil('2.0.0');
      await expectCode(() => put(two, options), 'rolled-back');
      expect(await standing(options)).toEqual(before);
    });

    it('starts every service of a release that is installed again', async () => {
      const options = open();
      await put(one, options);
      await operateServices('stop', { release: 'chat', services: [] }, options);
      expect(await states(options)).toEqual(['chat server absent', 'chat helper absent']);
      await uninstall('chat', options);
      await put(one, options);
      expect(await states(options)).toEqual(['chat server running', 'chat helper running']);
    });

    it('restarts services, each after its dependencies', async () => {
      const options = open();
      await put(one, options);
      const before = await standing(options);
      const all = { release: 'chat@1.0.0', services: [] };
      const names = await operateServices('restart', all, options);
      expect(names.map(({ service }) => service)).toEqual(['server', 'helper']);
      expect(await states(options)).toEqual(['chat server running', 'chat helper running']);
      expect(await standing(options)).toEqual(before);
      const { entries } = await readLedger(options.site);
      expect(entries.at(-1)?.event).toMatchObject({ command: 'restart', outcome: 'kept' });
    });

    it('stops, starts and restarts only what is installed', async () => {
      const options = open();
      await put(one, options);
      for (const command of ['stop', 'start', 'restart'] as const) {
        const operate = (release: string, services: string[]) => () =>
          operateServices(command, { release, services }, options);
        await expectCode(operate('other', []), 'release-unknown');
        await expectCode(operate('chat@9.9.9', []), 'release-unknown');
        await expectCode(operate('chat', ['server', 'other']), 'service-unknown');
      }
      expect(await states(options)).toEqual(['chat server running', 'chat helper running']);
    });

    it('records a start that fails, and leaves the service for inspection', async () => {
      const options = open();
      await put(one, options);
      const server = { release: 'chat', services: ['server'] };
      await operateServices('stop', server, options);
      options.bench.spoil('1.0.0');
      await expectCode(() => operateServices('start', server, options), 'gate-failed');
      expect(await states(options)).toEqual(['chat server running', 'chat helper running']);
      const { entries } = await readLedger(options.site);
      expect(entries.at(-1)?.event).toMatchObject({ command: 'start', outcome: 'failed' });
    });

    it('shows and follows the log of a service', async () => {
      const options = open();
      const { target, site, signal } = options;
      await put(one, options);
      const [release] = (await currentGeneration(site)).releases;
      if (release === undefined) throw new Error('no release');
      const of = { release, service: 'server' };
      const lines = await target.logs(of, 10, signal);
      expect(lines).not.toBe('');
      const followed: Uint8Array[] = [];
      const heard = new AbortController();
      const hear = (bytes: Uint8Array): void => {
        followed.push(bytes);
        setTimeout(() => heard.abort(), 200);
      };
      const following = target.followLogs(of, 10, hear, AbortSignal.any([signal, heard.signal]));
      // Of a service that runs on, they end when nobody hears them anymore.
      await following.catch((error: unknown) => {
        if (!heard.signal.aborted) throw error;
      });
      expect(Buffer.concat(followed).toString('utf8').trim()).toBe(lines.trim());
    });

    it('reports its name, and which of its rules a person may override', async () => {
      const { target, signal } = open();
      expect((await target.probe(signal)).version).toMatch(/^[0-9]/);
      expect(new Set(target.overridable).size).toBe(target.overridable.length);
    });
  });
}
