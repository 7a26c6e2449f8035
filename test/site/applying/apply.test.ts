import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { StowageEvent } from '../../../src/core/context.ts';
import type { StowageError } from '../../../src/core/error.ts';
import { readCanonical } from '../../../src/format/document.ts';
import type { Plan } from '../../../src/format/plan.ts';
import { type Receipt, receiptKind } from '../../../src/format/receipt.ts';
import { closeApply, recover } from '../../../src/site/applying/apply.ts';
import type { Changed } from '../../../src/site/applying/change.ts';
import { install, rollback, uninstall } from '../../../src/site/applying/change-release.ts';
import type { ApplyContext } from '../../../src/site/applying/run-operation.ts';
import { currentGeneration } from '../../../src/site/generations.ts';
import { type SiteContext, SiteFolder } from '../../../src/site/site-folder.ts';
import { containersOf } from '../../../src/target/container/workload.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import {
  type EngineState,
  type FakeTarget,
  failed,
  fakeTarget,
} from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder(true);
const names = ['install', 'upgrade', 'new values', 'rollback', 'uninstall'] as const;
type Change = (typeof names)[number];

/** A site and its engine, as they are before a change. */
interface Base {
  readonly root: string;
  readonly engine: EngineState;
}

let one: SmallBundle;
let two: SmallBundle;
const bases = new Map<Change, Base>();

const run: Readonly<Record<Change, (options: SiteContext) => Promise<Changed>>> = {
  install: (options) => install(one.folder, { ...options, trust: one.trust }),
  upgrade: (options) => install(two.folder, { ...options, trust: one.trust }),
  'new values': (options) => install(one.folder, { ...options, trust: one.trust }),
  rollback: (options) => rollback(undefined, options),
  uninstall: (options) => uninstall('chat', options),
};

beforeAll(async () => {
  const parameters = { level: { type: 'integer', default: 1, description: '' } };
  const services = ['first', 'second'].map((name) => ({
    name,
    image: 'server',
    args: ['${parameters.level}'],
    mounts: [{ model: 'tiny', path: '/models/tiny' }],
  }));
  const bend = { parameters, services };
  one = await smallBundle({ place: scratch.fresh(), ...bend });
  two = await smallBundle({
    place: scratch.fresh(),
    ...bend,
    authority: one.authority,
    version: '2.0.0',
    seq: 2,
  });
  const root = scratch.fresh('site');
  mkdirSync(root);
  const target = fakeTarget();
  const keep = (...changes: readonly Change[]): void => {
    const base = { root: scratch.copy(root), engine: target.engine.state() };
    for (const change of changes) bases.set(change, base);
  };
  const options = { ...context(), site: new SiteFolder(root), target };
  await options.site.prepare();
  keep('install');
  await run.install(options);
  keep('upgrade', 'uninstall');
  writeFileSync(join(root, 'site.yaml'), yaml(2));
  keep('new values');
  rmSync(join(root, 'site.yaml'));
  await run.upgrade(options);
  keep('rollback');
});

function yaml(level: number): string {
  return `{apiVersion: stowage/v1, name: site, parameters: {chat: {level: ${level}}}}`;
}

/** A fresh copy of a site, with an engine in the state that belongs to it. */
function open(
  change: Change,
): ApplyContext & { readonly site: SiteFolder; readonly target: FakeTarget } {
  const base = bases.get(change);
  if (base === undefined) throw new Error(`no site for ${change}`);
  return workshop(scratch.copy(base.root), base.engine);
}

function workshop(
  root: string,
  engine: EngineState,
): ApplyContext & { readonly site: SiteFolder; readonly target: FakeTarget } {
  return {
    ...context(),
    site: new SiteFolder(root),
    target: fakeTarget(engine),
    keep: () => {},
  };
}

/** What a site and its engine come to: the same before and after says that nothing changed. */
async function standing({
  site,
  target,
}: {
  site: SiteFolder;
  target: FakeTarget;
}): Promise<object> {
  const current = await currentGeneration(site);
  const { images, services } = target.engine.state();
  // What no service of the running generation needs may come and go.
  const needed = new Set(
    current.releases.flatMap((each) =>
      containersOf(each).services.map((service) => service.image.tag),
    ),
  );
  return {
    current,
    services,
    images: Object.keys(images).filter((tag) => needed.has(tag)),
    missing: [...needed].filter((tag) => !(tag in images)),
    files: current.releases.flatMap((each) =>
      containersOf(each).services.flatMap((service) =>
        service.mounts.map((mount) => {
          if (!('source' in mount)) return '';
          // Copies of a site keep the paths of the first; what lies there is looked for here.
          const at = mount.source.slice(mount.source.indexOf('/layouts/'));
          return `${at} ${existsSync(join(site.root, at))}`;
        }),
      ),
    ),
    generations: readdirSync(site.path('generations')).filter((name) => !name.startsWith('.')),
    applying: existsSync(site.path('apply')),
  };
}

function receipts(site: SiteFolder): Receipt[] {
  return readdirSync(site.path('receipts'))
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .map((name) => readCanonical(receiptKind, readFileSync(site.path('receipts', name))));
}

interface Course {
  readonly plan: Plan;
  /** Changing calls of the engine. */
  readonly calls: number;
  readonly before: object;
  readonly after: object;
}

const courses = new Map<Change, Course>();

/** The plan of a change and what it ends in, seen by letting it run undisturbed. */
async function undisturbed(change: Change): Promise<Course> {
  const known = courses.get(change);
  if (known !== undefined) return known;
  const opened = open(change);
  const before = await standing(opened);
  const { plan } = await run[change](opened);
  const course = {
    plan,
    calls: opened.target.engine.calls.length,
    before,
    after: await standing(opened),
  };
  courses.set(change, course);
  return course;
}

const isStep = (event: StowageEvent, plan: Plan): boolean =>
  event.type === 'step' && plan.steps.some((step) => step.do.action === event.step);

describe.each(names)('when a step of an %s fails', (change) => {
  it('runs to its end undisturbed', async () => {
    const { plan, before, after } = await undisturbed(change);
    expect(plan.steps.length).toBeGreaterThan(3);
    expect(after).not.toEqual(before);
    expect(after).toMatchObject({ applying: false, missing: [] });
    expect(JSON.stringify(after)).not.toContain(' false"');
  });

  it('puts the old generation back, whichever step it is', async () => {
    const { plan } = await undisturbed(change);
    for (const broken of plan.steps) {
      const opened = open(change);
      const before = await standing(opened);
      const past = receipts(opened.site).length;
      let step = 0;
      const emit = (event: StowageEvent): void => {
        if (!isStep(event, plan)) return;
        step += 1;
        if (step === broken.id) throw failed('no more');
      };
      const error = await expectCode(() => run[change]({ ...opened, emit }), 'rolled-back');
      expect(error.message).toContain('no more');
      expect(await standing(opened)).toEqual(before);
      expect(receipts(opened.site).slice(past)).toMatchObject([
        { outcome: 'rolled-back', generation: plan.from.number, intent: plan.intent },
      ]);
    }
  });

  it('puts the old generation back when the engine fails after it did something', async () => {
    const { calls } = await undisturbed(change);
    for (let broken = 1; broken <= calls; broken += 1) {
      const opened = open(change);
      const before = await standing(opened);
      opened.target.engine.hook = (call, moment) => {
        if (call.number === broken && moment === 'after') throw failed('no more');
      };
      await expectCode(() => run[change](opened), 'rolled-back');
      expect(await standing(opened)).toEqual(before);
    }
  });

  it('puts the old generation back when it is interrupted', async () => {
    const { calls } = await undisturbed(change);
    for (let broken = 1; broken < calls; broken += 1) {
      const opened = open(change);
      const before = await standing(opened);
      const controller = new AbortController();
      opened.target.engine.hook = (call, at) => {
        if (call.number === broken && at === 'after') controller.abort();
      };
      const { code } = await failure(run[change]({ ...opened, signal: controller.signal }));
      // The last call of an install may end before the interrupt is heard: then the gate hears it.
      expect(code).toBe('interrupted');
      expect(await standing(opened)).toEqual(before);
    }
  });

  it('says so when undoing fails too, and the next command goes on', async () => {
    const { plan, calls, after } = await undisturbed(change);
    const opened = open(change);
    let step = 0;
    opened.target.engine.hook = (call) => {
      if (call.number === calls + 1) throw failed('the engine is gone', 'port 8000 is in use');
    };
    const emit = (event: StowageEvent): void => {
      if (isStep(event, plan)) step += 1;
      if (isStep(event, plan) && step === plan.steps.length) throw failed('no more');
    };
    const error = await expectCode(() => run[change]({ ...opened, emit }), 'rollback-failed');
    expect(error.message).toContain('the engine is gone');
    expect(error.found).toBe('port 8000 is in use');
    expect(existsSync(opened.site.path('apply/plan.json'))).toBe(true);
    opened.target.engine.hook = () => {};
    const warnings = context();
    await run[change]({ ...opened, emit: warnings.emit });
    expect(warnings.events).toContainEqual({
      type: 'warning',
      message: `an interrupted ${plan.intent} was undone before this command began`,
    });
    expect(receipts(opened.site).map((each) => each.outcome)).toContain('rolled-back');
    expect({ ...(await standing(opened)), current: undefined }).toEqual({
      ...after,
      current: undefined,
    });
  });
});

async function failure(running: Promise<unknown>): Promise<StowageError> {
  return running.then(
    (value) => Promise.reject(new Error(`it gave ${JSON.stringify(value)}`)),
    (error: unknown) => error as StowageError,
  );
}

/** The state of a site and its engine at one instant, as a kill would leave it. */
interface Snapshot {
  readonly what: string;
  readonly root: string;
  readonly engine: EngineState;
}

/** Changes a site, and keeps its state at every step and on both sides of every call of the engine. */
async function filmed(
  change: Change,
  opened: ReturnType<typeof open>,
  doomed?: (event: StowageEvent) => void,
): Promise<Snapshot[]> {
  const shots: Snapshot[] = [];
  const shoot = (what: string): void => {
    const root = scratch.fresh('shot');
    cpSync(opened.site.root, root, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !path.endsWith('/receipts'),
    });
    if (!existsSync(join(root, 'apply/journal'))) return;
    shots.push({ what, root, engine: opened.target.engine.state() });
  };
  opened.target.engine.hook = (call, at) => shoot(`${at} ${call.method} ${call.subject}`);
  const emit = (event: StowageEvent): void => {
    if (event.type === 'step') shoot(`at ${event.step} ${event.subject}`);
    doomed?.(event);
  };
  await run[change]({ ...opened, emit }).catch(() => {});
  return shots;
}

/**
 * The journals that a kill can leave. Between two steps the last lines are in flight: whole, cut, or not there;
 * within a step each line has reached the disk.
 */
function journalsOf({ what, root }: Snapshot): string[] {
  const text = readFileSync(join(root, 'apply/journal'), 'utf8');
  if (!what.startsWith('at ')) return [text];
  const lines = text.match(/.*\n/g) ?? [];
  const inFlight = what.startsWith('at undo') ? 1 : 2;
  const shorter = Array.from({ length: inFlight }, (_, n) => lines.slice(0, -1 - n).join(''));
  return [...new Set([text, text.slice(0, -9), ...shorter])];
}

/** Recovers, killed once more in the middle of it, and gives what the site came to. */
async function recovered(shot: Snapshot, journal: string): Promise<object> {
  const root = scratch.copy(shot.root);
  writeFileSync(join(root, 'apply/journal'), journal);
  const opened = workshop(root, shot.engine);
  let steps = 0;
  const emit = (event: StowageEvent): void => {
    if (event.type === 'step') steps += 1;
    if (steps === 3) throw new Error('killed again');
  };
  await recover({ ...opened, emit }).catch((error: Error) => {
    expect(error.message).toBe('killed again');
  });
  await recover(opened);
  await closeApply(opened.site);
  expect(await recover(opened)).toBeUndefined();
  const result = await standing(opened);
  rmSync(root, { recursive: true });
  return result;
}

describe.each(names)('when an %s is killed', (change) => {
  it('ends in the old generation or the new, wherever that was', async () => {
    const { plan, before } = await undisturbed(change);
    const opened = open(change);
    const shots = await filmed(change, opened);
    const after = await standing(opened);
    expect(shots.length).toBeGreaterThanOrEqual(plan.steps.length);
    const comparable = (state: object): object => ({ ...state, current: numbered(state) });
    for (const shot of shots) {
      for (const journal of journalsOf(shot)) {
        const state = await recovered(shot, journal);
        expect(comparable(state), shot.what).toEqual(comparable(before));
      }
    }
    // The last step is done: with its `done` on disk the new generation stays, without it the old one returns.
    const last = shots.at(-1);
    if (last === undefined) throw new Error('no last step');
    const end = scratch.fresh('end');
    cpSync(opened.site.root, end, { recursive: true, verbatimSymlinks: true });
    cpSync(join(last.root, 'apply'), join(end, 'apply'), { recursive: true });
    const final = { what: 'end', root: end, engine: opened.target.engine.state() };
    const begun = `${readFileSync(join(last.root, 'apply/journal'), 'utf8')}`;
    const whole = `${begun}{"state":"done","step":${plan.steps.length}}\n`;
    expect(comparable(await recovered(final, begun))).toEqual(comparable(before));
    expect(comparable(await recovered(final, whole.slice(0, -1)))).toEqual(comparable(before));
    expect(comparable(await recovered(final, whole))).toEqual(comparable(after));
  });

  it('ends in the old generation when that was while it was being undone', async () => {
    const { plan, before } = await undisturbed(change);
    const opened = open(change);
    let step = 0;
    const shots = await filmed(change, opened, (event) => {
      if (isStep(event, plan)) step += 1;
      if (isStep(event, plan) && step === plan.steps.length) throw failed('no more');
    });
    const undoing = shots.filter((shot) => shot.what.startsWith('at undo'));
    expect(undoing.length).toBeGreaterThan(0);
    for (const shot of undoing) {
      for (const journal of journalsOf(shot)) {
        const state = await recovered(shot, journal);
        expect({ ...state, current: numbered(state) }, shot.what).toEqual({
          ...before,
          current: numbered(before),
        });
      }
    }
  });
});

/** Copies of a site differ in when they were changed, and in nothing else of a generation. */
function numbered(state: object): unknown {
  const { current } = state as { current: { number: number; releases: unknown } };
  return { number: current.number, releases: current.releases };
}
