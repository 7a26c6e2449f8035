import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkDocument } from '../../../src/format/document.ts';
import {
  type DeployedRelease,
  type Generation,
  type Plan,
  planKind,
  type Step,
} from '../../../src/format/plan.ts';
import { releaseOf } from '../../../src/site/planning/plan.ts';
import { containerOf, imagesOf } from '../../../src/target/container/workload.ts';
import { generation, image, release, service } from '../../support/deployed.ts';
import { planned } from '../../support/planned.ts';

const inverse: Readonly<Record<string, string | undefined>> = {
  'place-files': 'remove-files',
  'remove-files': 'place-files',
  'place-secret': 'remove-secret',
  'remove-secret': 'place-secret',
  'create-network': 'remove-network',
  'remove-network': 'create-network',
  'load-image': 'unload-image',
  'unload-image': 'load-image',
  'stop-service': 'start-service',
  'start-service': 'stop-service',
  'switch-generation': 'switch-generation',
  'gate-service': undefined,
  'gate-release': undefined,
};

function plan(intent: Plan['intent'], from: Generation, to: Generation): Plan {
  return planned({ intent, from, to });
}

const actionsOf = (made: Plan): string[] =>
  made.steps.map((step) => `${step.do.action} ${step.do.side} ${step.do.release}`.trim());

const someRelease = (name: string): fc.Arbitrary<DeployedRelease> =>
  fc
    .record({
      bundle: fc.integer({ min: 1, max: 3 }),
      services: fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
      images: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 4, maxLength: 4 }),
    })
    .map(({ bundle, services, images }) =>
      release({
        name,
        version: `${bundle}.0.0`,
        bundle: `${bundle}`.repeat(128),
        services: services.map((n) =>
          service({ release: name, name: `s${n}`, image: image(images[n - 1] ?? 1, name) }),
        ),
      }),
    );

const someReleases: fc.Arbitrary<DeployedRelease[]> = fc
  .tuple(
    ...['chat', 'embed', 'rank'].map((name) => fc.option(someRelease(name), { nil: undefined })),
  )
  .map((releases) => releases.filter((each) => each !== undefined));

/** An install of one release over another, as it comes about. */
const someInstall: fc.Arbitrary<[Generation, Generation]> = fc
  .tuple(someReleases, someRelease('chat'))
  .map(([before, wanted]) => [
    generation(4, ...before),
    generation(5, ...before.filter((each) => each.name !== wanted.name), wanted),
  ]);

const someRollback: fc.Arbitrary<[Generation, Generation]> = fc
  .tuple(someReleases, someReleases)
  .map(([a, b]) => [generation(5, ...a), generation(4, ...b)]);

const tagsOf = (each: Generation): Set<string> =>
  new Set(imagesOf(each.releases).map(({ tag }) => tag));

const indexes = (made: Plan, wanted: (step: Step) => boolean): number[] =>
  made.steps.flatMap((step, index) => (wanted(step) ? [index] : []));

const does =
  (...actions: string[]) =>
  (step: Step) =>
    actions.includes(step.do.action);

function expectBefore(made: Plan, first: string[], then: string[]): void {
  const last = Math.max(-1, ...indexes(made, does(...first)));
  const next = Math.min(made.steps.length, ...indexes(made, does(...then)));
  expect(last).toBeLessThan(next);
}

function expectSound(made: Plan): void {
  checkDocument(planKind, made);
  expect(made.steps.map((step) => step.id)).toEqual(made.steps.map((_, index) => index + 1));
  // Placing compares what is there with what was signed: no service may start, or be tested, before.
  const placed = new Set<string>();
  for (const { action, side, release: name } of made.steps.map((step) => step.do)) {
    if (side !== 'to' || name === '') continue;
    if (action === 'place-files') placed.add(name);
    else if (action !== 'place-secret') expect(placed).toContain(name);
  }
  for (const step of made.steps) {
    if (step.undo !== undefined) {
      expect(step.undo.action).toBe(inverse[step.do.action]);
      expect(step.undo.subject).toBe(step.do.subject);
      if (step.do.action !== 'switch-generation') expect(step.undo.side).toBe(step.do.side);
    }
    for (const operation of [step.do, step.undo ?? step.do]) {
      if (operation.action === 'switch-generation') continue;
      releaseOf(made, operation);
      if (operation.action.endsWith('-service'))
        containerOf(releaseOf(made, operation), operation.subject);
      if (operation.action.endsWith('-image'))
        expect(imagesOf([releaseOf(made, operation)]).map(({ tag }) => tag)).toContain(
          operation.subject,
        );
    }
  }
}

describe('when a plan is made', () => {
  it('is the same for the same generations, and touches neither', () => {
    fc.assert(
      fc.property(someRollback, ([from, to]) => {
        const before = structuredClone([from, to]);
        expect(plan('rollback', from, to)).toEqual(plan('rollback', from, to));
        expect([from, to]).toEqual(before);
      }),
    );
  });

  it('is a document whose every operation finds its subject', () => {
    fc.assert(fc.property(someInstall, ([from, to]) => expectSound(plan('install', from, to))));
    fc.assert(fc.property(someRollback, ([from, to]) => expectSound(plan('rollback', from, to))));
  });

  it('has no step from a generation to one that runs the same', () => {
    fc.assert(
      fc.property(someReleases, (releases) => {
        const made = plan('rollback', generation(2, ...releases), generation(1, ...releases));
        expect(made.steps).toEqual([]);
      }),
    );
  });

  it('gives an inverse to every step that leaves something the old generation does not have', () => {
    fc.assert(
      fc.property(someInstall, ([from, to]) => {
        const tags = tagsOf(from);
        const bundles = new Set(from.releases.map((each) => each.bundle));
        for (const step of plan('install', from, to).steps) {
          const { action, subject } = step.do;
          const shared =
            (action === 'load-image' && tags.has(subject)) ||
            (action === 'place-files' && bundles.has(subject));
          expect(step.undo !== undefined).toBe(!action.startsWith('gate-') && !shared);
        }
      }),
    );
  });

  it('takes nothing away when a return fails: what a kept generation has stays', () => {
    fc.assert(
      fc.property(someRollback, ([from, to]) => {
        const undone = plan('rollback', from, to).steps.map(({ undo }) => undo?.action);
        for (const action of ['remove-files', 'unload-image', 'remove-secret', 'remove-network'])
          expect(undone).not.toContain(action);
      }),
    );
  });

  it('never undoes what the old generation needs', () => {
    fc.assert(
      fc.property(fc.oneof(someInstall, someRollback), ([from, to]) => {
        const tags = tagsOf(from);
        for (const { undo } of plan('install', from, to).steps) {
          if (undo?.action === 'unload-image') expect(tags).not.toContain(undo.subject);
          if (undo?.action === 'remove-files')
            expect(from.releases.map((each) => each.bundle)).not.toContain(undo.subject);
        }
      }),
    );
  });

  it('stops after loading, starts after stopping, gates after starting, switches after gating', () => {
    fc.assert(
      fc.property(fc.oneof(someInstall, someRollback), ([from, to]) => {
        const made = plan('rollback', from, to);
        expectBefore(made, ['place-files', 'load-image'], ['stop-service']);
        expectBefore(made, ['stop-service'], ['start-service']);
        expectBefore(made, ['start-service'], ['gate-service']);
        expectBefore(made, ['gate-service', 'gate-release'], ['switch-generation']);
        expect(indexes(made, does('switch-generation')).length).toBe(made.steps.length > 0 ? 1 : 0);
      }),
    );
  });

  it('gates each service that it starts, and no other', () => {
    fc.assert(
      fc.property(someInstall, ([from, to]) => {
        const { steps } = plan('install', from, to);
        const subjects = (action: string): string[] =>
          steps.flatMap((s) => (s.do.action === action ? [`${s.do.release}/${s.do.subject}`] : []));
        expect(subjects('gate-service')).toEqual(subjects('start-service'));
      }),
    );
  });

  it('mirrors the way there on the way back', () => {
    const subjects = (made: Plan, action: string): Set<string> =>
      new Set(
        made.steps.filter(does(action)).map((step) => `${step.do.release} ${step.do.subject}`),
      );
    fc.assert(
      fc.property(someRollback, ([from, to]) => {
        const there = plan('rollback', from, to);
        const back = plan('rollback', to, from);
        expect(subjects(back, 'stop-service')).toEqual(subjects(there, 'start-service'));
        expect(subjects(back, 'start-service')).toEqual(subjects(there, 'stop-service'));
      }),
    );
  });
});

describe('when a release is installed', () => {
  it('goes step by step, the first one on an empty site', () => {
    const made = plan('install', generation(0), generation(1, release()));
    expect(actionsOf(made)).toEqual([
      'place-files to chat',
      'load-image to chat',
      'start-service to chat',
      'gate-service to chat',
      'switch-generation to',
    ]);
  });

  it('leaves the files alone when only a value of the site changed', () => {
    const before = release();
    const after = release({ services: [service({ args: ['--new'] })] });
    const made = plan('install', generation(1, before), generation(2, after));
    expect(made.steps.filter(does('place-files', 'load-image')).map((step) => step.undo)).toEqual([
      undefined,
      undefined,
    ]);
  });

  it('keeps what the old version needs, for a rollback', () => {
    const after = release({ bundle: 'b'.repeat(128), services: [service({ image: image(2) })] });
    const made = plan('install', generation(1, release()), generation(2, after));
    expect(made.steps.some(does('unload-image', 'remove-files'))).toBe(false);
  });
});

describe('when a release is uninstalled', () => {
  it('clears its files and the images that no other release uses', () => {
    const chat = release({
      services: [service(), service({ name: 'second', image: image(2) })],
    });
    const embed = release({ name: 'embed', services: [service({ release: 'embed' })] });
    const made = plan('uninstall', generation(1, chat, embed), generation(2, embed));
    expect(made.steps.map((step) => `${step.do.action} ${step.do.subject}`.trim())).toEqual([
      'stop-service second',
      'stop-service server',
      'switch-generation',
      `unload-image ${image(2).tag}`,
      `remove-files ${chat.bundle}`,
    ]);
    expect(made.steps.every((step) => step.undo !== undefined)).toBe(true);
  });

  it('never clears before the switch', () => {
    fc.assert(
      fc.property(someReleases, (releases) => {
        const [gone, ...rest] = releases;
        fc.pre(gone !== undefined);
        const made = plan('uninstall', generation(1, ...releases), generation(2, ...rest));
        expectSound(made);
        expectBefore(made, ['switch-generation'], ['unload-image', 'remove-files']);
        for (const step of made.steps.filter(does('unload-image')))
          expect(tagsOf(made.to)).not.toContain(step.do.subject);
      }),
    );
  });
});
