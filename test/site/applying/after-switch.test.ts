import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { readReceipt } from '../../../src/bundle/receipt.ts';
import { StowageError } from '../../../src/core/error.ts';
import type { Changed } from '../../../src/site/applying/change.ts';
import { install, rollback, uninstall } from '../../../src/site/applying/change-release.ts';
import { writeStatement } from '../../../src/site/applying/statement.ts';
import { readLedger } from '../../../src/site/ledger/site-ledger.ts';
import { newestReceipt } from '../../../src/site/receipts/receipt.ts';
import { type SiteContext, SiteFolder } from '../../../src/site/site-folder.ts';
import { siteStatus } from '../../../src/site/status.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { withFailingWrites } from '../../support/failing-writes.ts';
import { type EngineState, type FakeTarget, fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

/** A busy machine takes long for some hundred commands. */
const MANY_COMMANDS_MS = 120_000;

const scratch = scratchFolder(true);
let one: SmallBundle;
let two: SmallBundle;
let root: string;
let engine: EngineState;

type Opened = SiteContext & { readonly target: FakeTarget };

beforeAll(async () => {
  one = await smallBundle({ place: scratch.fresh(), installer: true });
  const { authority } = one;
  const next = { authority, version: '2.0.0', seq: 2, installer: true };
  two = await smallBundle({ place: scratch.fresh(), ...next });
  root = scratch.fresh('site');
  const options = { ...context(), site: new SiteFolder(root), target: fakeTarget() };
  await put(one, options);
  await put(two, options);
  await rollback(1, options);
  engine = options.target.engine.state();
});

/** A copy of a site that has run two generations and is at the first. */
function open(): Opened {
  return { ...context(), site: new SiteFolder(scratch.copy(root)), target: fakeTarget(engine) };
}

const put = (made: SmallBundle, options: SiteContext): Promise<Changed> =>
  install(made.folder, { ...options, trust: made.trust });

const changes = {
  install: (options: SiteContext) => put(two, options),
  rollback: (options: SiteContext) => rollback(2, options),
  uninstall: (options: SiteContext) => uninstall('chat', options),
} as const;
const names = Object.keys(changes) as (keyof typeof changes)[];

/** What the command that met the failure may end with. */
const ends: ReadonlySet<string> = new Set([
  'receipt-unwritten',
  'rolled-back',
  'rollback-failed',
  'io-failed',
]);

/** Runs a change whose n-th write after the switch fails. @returns the operations from the switch on */
async function broken(
  change: keyof typeof changes,
  opened: Opened,
  failing: { readonly number: number; readonly onward: boolean },
): Promise<readonly string[]> {
  let switched = false;
  const emit: SiteContext['emit'] = (event) => {
    if (event.type === 'step' && event.step === 'switch-generation') switched = true;
  };
  const run = (): Promise<unknown> =>
    changes[change]({ ...opened, emit }).catch((error: unknown) => {
      if (!(error instanceof StowageError)) throw error;
      expect(ends).toContain(error.code);
    });
  return (await withFailingWrites(failing, () => switched, run)).operations;
}

/** Every command that an operator may try next. */
async function walk(opened: Opened): Promise<void> {
  const { site, target } = opened;
  await siteStatus(opened);
  await readLedger(site);
  await put(two, opened);
  const statement = await writeStatement(opened);
  expect(statement.releases).toMatchObject([{ version: '2.0.0' }]);
  expect((await readReceipt(await newestReceipt(site))).receipt).toEqual(statement);
  expect(await siteStatus(opened)).toMatchObject({ interrupted: false });
  await rollback(1, opened);
  await uninstall('chat', opened);
  expect(target.engine.state().services).toEqual({});
  await readLedger(site);
  expect(leftovers(site)).toEqual([]);
}

function leftovers(site: SiteFolder): string[] {
  return (readdirSync(site.root, { recursive: true }) as string[]).filter((path) =>
    /(?:^|\/)(?:\.[^/]*|[^/]*\.(?:tmp|partial)|lock(?:\.[0-9a-f]+)*|apply)$/.test(path),
  );
}

describe.each(names)('when a write fails after the switch of an %s', (change) => {
  const modes = [
    ['once', false, 1],
    // Later failures hide most differences, so a part of the moments will do.
    ['and each later one fails too', true, 4],
  ] as const;

  it.each(modes)(
    'leaves a site that every command can go on with (%s)',
    async (_, onward, stride) => {
      const operations = await broken(change, open(), { number: 0, onward });
      for (const part of ['/current', '/ledger', '/ledger.head', '/receipts/', '/apply/journal'])
        expect(operations.join('\n')).toContain(part);
      for (const [index, what] of operations.entries()) {
        if (index % stride !== 0) continue;
        const opened = open();
        await broken(change, opened, { number: index + 1, onward });
        await walk(opened).catch((cause: unknown) => {
          throw new Error(`after ${what}: ${String(cause)}`, { cause });
        });
        rmSync(opened.site.root, { recursive: true });
      }
    },
    MANY_COMMANDS_MS,
  );
});

describe.each(names)('when the engine fails or dies after the switch of an %s', (change) => {
  /** Runs a change whose n-th engine call after the switch fails. @returns the calls after the switch */
  const refusing = async (
    opened: Opened,
    failing: number,
    fail: (subject: string) => Error,
  ): Promise<readonly string[]> => {
    const seen: string[] = [];
    let switched = false;
    const { engine: fake } = opened.target;
    const emit: SiteContext['emit'] = (event) => {
      if (event.type === 'step' && event.step === 'switch-generation') switched = true;
    };
    fake.hook = ({ method, subject }, moment) => {
      if (!switched || moment !== 'before') return;
      seen.push(`${method} ${subject}`);
      if (seen.length === failing) throw fail(seen.at(-1) ?? '');
    };
    await changes[change]({ ...opened, emit }).catch((error: unknown) => {
      if (failing === 0) throw error;
    });
    fake.hook = () => {};
    return seen;
  };

  it.each([
    [
      'fails',
      (what: string) =>
        new StowageError('engine-failed', what, { expected: '0', found: '125', hint: what }),
    ],
    ['ends the process', (what: string) => new Error(`killed at ${what}`)],
  ])('leaves a site that every command can go on with (each call %s)', async (_, fail) => {
    const calls = await refusing(open(), 0, fail);
    for (const [index, what] of calls.entries()) {
      const opened = open();
      await refusing(opened, index + 1, fail);
      await walk(opened).catch((cause: unknown) => {
        throw new Error(`after ${what}: ${String(cause)}`, { cause });
      });
    }
    // Only the removal of a release has steps in the engine after the switch.
    expect(calls.length > 0).toBe(change === 'uninstall');
  });
});

describe('when a site cannot write receipts', () => {
  it('keeps the change, says what is missing, and does not try again before later commands', async () => {
    const opened = open();
    const { site } = opened;
    rmSync(site.path('receipts'), { recursive: true });
    writeFileSync(site.path('receipts'), 'no folder');
    await expectCode(() => put(two, opened), 'file-missing');
    rmSync(site.path('receipts'));
    const emit: SiteContext['emit'] = (event) => {
      if (event.type !== 'step' || event.step !== 'switch-generation') return;
      rmSync(site.path('receipts'), { recursive: true });
      writeFileSync(site.path('receipts'), 'no folder');
    };
    const error = await expectCode(() => put(two, { ...opened, emit }), 'receipt-unwritten');
    expect(error.hint).toContain('stowage receipt write');
    rmSync(site.path('receipts'));
    const heard = context();
    await writeStatement({ ...opened, emit: heard.emit });
    expect(heard.events).toEqual([]);
    await walk(opened);
  });
});

describe('when the name of a site is long', () => {
  const lengths = [1, 50, 51, 52, 63] as const;

  it.each(lengths)(
    'installs, and signs receipts with a certificate (%i characters)',
    async (length) => {
      const site = new SiteFolder(scratch.fresh('site'));
      const opened = { ...context(), site, target: fakeTarget() };
      const name = 'n'.repeat(length);
      await site.prepare();
      writeFileSync(site.path('site.yaml'), `apiVersion: stowage/v1\nname: ${name}\n`);
      await put(one, opened);
      const { receipt, subject } = await readReceipt(await newestReceipt(site));
      expect(receipt.site).toBe(name);
      const shown = subject.slice('O=Stowage, CN=Stowage site '.length);
      expect(shown.length).toBe(Math.min(length, 51));
      expect(shown === name).toBe(length <= 51);
      await put(two, opened);
      await walk(opened);
    },
  );
});
