import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { signBeside } from '../../../src/bundle/signing/sign-beside.ts';
import { writeCanonical } from '../../../src/format/document.ts';
import { type Plan, planKind } from '../../../src/format/plan.ts';
import type { Trust } from '../../../src/format/trust.ts';
import { writeAtomic } from '../../../src/io/file.ts';
import { applyPlan, install, installImported } from '../../../src/site/applying/change-release.ts';
import { grantOverride } from '../../../src/site/applying/grant-override.ts';
import { currentGeneration } from '../../../src/site/generations.ts';
import type { ImportOptions } from '../../../src/site/importing/import.ts';
import { readLedger } from '../../../src/site/ledger/site-ledger.ts';
import { stateOf } from '../../../src/site/ledger/site-state.ts';
import { readPlan, type WrittenPlan } from '../../../src/site/planning/plan-approval.ts';
import { planDigest } from '../../../src/site/planning/plan-identity.ts';
import { type ChangeRequest, propose } from '../../../src/site/planning/propose.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import type { Signer } from '../../../src/trust/cms-sign.ts';
import { context, packedAt } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { type FakeTarget, fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import {
  type Authority,
  makeAuthority,
  type SmallBundle,
  smallBundle,
} from '../../support/small-bundle.ts';
import { tree } from '../../support/tree.ts';

const scratch = scratchFolder(true);
const officer: Authority = makeAuthority('Officer');
let one: SmallBundle;
let two: SmallBundle;

beforeAll(async () => {
  const parameters = { level: { type: 'integer', default: 1, description: '' } };
  const services = [{ name: 'server', image: 'server', args: ['${parameters.level}'] }];
  one = await smallBundle({ place: scratch.fresh(), parameters, services });
  const { authority } = one;
  const next = { authority, parameters, services, version: '2.0.0', seq: 2 };
  two = await smallBundle({ place: scratch.fresh(), ...next });
});

/** The release engineer's root, and the officer's for approvals. */
function trust(): Trust {
  const certificate = officer.root.der.toString('base64');
  return {
    ...one.trust,
    roots: [...one.trust.roots, { name: 'officer', certificate }],
    roles: { ...one.trust.roles, approval: { threshold: 1, roots: ['officer'] } },
  };
}

type Opened = ImportOptions & { readonly target: FakeTarget };

async function siteWith(first: SmallBundle, settings = ''): Promise<Opened> {
  const site = new SiteFolder(scratch.fresh('site'));
  await site.prepare();
  const opened = { ...context(), site, target: fakeTarget(), trust: trust() };
  await install(first.folder, opened);
  writeSite(opened, settings);
  return opened;
}

function writeSite({ site }: Opened, settings: string): void {
  writeFileSync(site.path('site.yaml'), `apiVersion: stowage/v1\nname: vault\n${settings}`);
}

async function planOf(wish: ChangeRequest, opened: Opened): Promise<Plan> {
  const state = stateOf((await readLedger(opened.site)).entries);
  return propose(wish, state, opened.now(), opened);
}

async function written(plan: Plan): Promise<{ file: string; read: WrittenPlan }> {
  const file = join(mkdirSync(scratch.fresh('plans'), { recursive: true }) ?? '', 'plan.json');
  await writeAtomic(file, writeCanonical(planKind, plan));
  return { file, read: await readPlan(file) };
}

const ROLLBACK = { intent: 'rollback', subject: '1' } as const;

function sign(file: string, bytes: Buffer, name: string, signer: Signer): Promise<string> {
  return signBeside({ file, bytes, name, signer, now: packedAt });
}

describe('when a plan is made', () => {
  it('changes nothing, neither at the site nor in the engine', async () => {
    const opened = await siteWith(one);
    const before = tree(opened.site.root);
    const calls = opened.target.engine.calls.length;
    await planOf({ intent: 'install', subject: one.id }, opened);
    await planOf({ intent: 'uninstall', subject: 'chat' }, opened);
    expect(tree(opened.site.root)).toEqual(before);
    expect(opened.target.engine.calls).toHaveLength(calls);
  });

  it('is equal under equal conditions at the same time', async () => {
    const opened = { ...(await siteWith(one)), now: () => packedAt };
    const wish = { intent: 'uninstall', subject: 'chat' } as const;
    expect(planDigest(await planOf(wish, opened))).toBe(planDigest(await planOf(wish, opened)));
  });
});

describe('when a plan is applied', () => {
  it('is executed, and the ledger contains its digest', async () => {
    const opened = await siteWith(one);
    await install(two.folder, opened);
    const plan = await planOf(ROLLBACK, opened);
    const { read } = await written(plan);
    expect((await applyPlan(read, opened)).plan.to.number).toBe(1);
    const { entries } = await readLedger(opened.site);
    expect(entries.at(-1)?.event).toMatchObject({ command: 'rollback', plan: planDigest(plan) });
  });

  it.each([
    ['other values in site.yaml', 'parameters: { chat: { level: 7 } }', 'has different values'],
    ['another name of the site', undefined, 'the name of the site is hall, not vault'],
  ])('is refused after %s', async (_, settings, change) => {
    const opened = await siteWith(one);
    const plan = await planOf({ intent: 'uninstall', subject: 'chat' }, opened);
    const again = await planOf({ intent: 'install', subject: one.id }, opened);
    if (settings === undefined)
      writeFileSync(opened.site.path('site.yaml'), 'apiVersion: stowage/v1\nname: hall\n');
    else writeSite(opened, settings);
    const before = tree(opened.site.path('generations'));
    const { read } = await written(settings === undefined ? plan : again);
    const error = await expectCode(() => applyPlan(read, opened), 'plan-stale');
    expect(error.defects.join('\n')).toContain(change);
    expect(tree(opened.site.path('generations'))).toEqual(before);
  });

  it('is refused when another generation is current', async () => {
    const opened = await siteWith(one);
    const { read } = await written(await planOf({ intent: 'uninstall', subject: 'chat' }, opened));
    await install(two.folder, opened);
    const error = await expectCode(() => applyPlan(read, opened), 'plan-stale');
    expect(error.found).toContain('the current generation is 2, not 1');
    expect((await currentGeneration(opened.site)).number).toBe(2);
  });

  it('is refused with its generation when it was already applied', async () => {
    const opened = await siteWith(one);
    const { read } = await written(await planOf({ intent: 'uninstall', subject: 'chat' }, opened));
    await install(two.folder, opened);
    const outdated = await expectCode(() => applyPlan(read, opened), 'plan-stale');
    expect(outdated.found).toContain('the current generation is 2');
    const back = await written(await planOf(ROLLBACK, opened));
    await applyPlan(back.read, opened);
    const again = await expectCode(() => applyPlan(back.read, opened), 'plan-stale');
    expect(again.message).toContain('already applied, as generation 1');
  });

  it('is executed when the window that it waited for has opened', async () => {
    const window = 'windows:\n  - { from: "22:00", to: "23:00" }\n';
    const opened = { ...(await siteWith(one, window)), now: () => packedAt };
    const plan = await planOf({ intent: 'uninstall', subject: 'chat' }, opened);
    expect(plan.constraints).toMatchObject([{ rule: 'window', satisfied: false }]);
    const { read } = await written(plan);
    await expectCode(() => applyPlan(read, opened), 'host-unfit');
    const night = { ...opened, now: () => new Date('2026-11-21T22:30:00Z') };
    expect((await applyPlan(read, night)).plan.to.releases).toEqual([]);
  });

  it('is refused when a constraint no longer holds, even with an override that the plan did not show', async () => {
    const window = 'windows:\n  - { from: "09:00", to: "11:00" }\n';
    const opened = { ...(await siteWith(one, window)), now: () => packedAt };
    const { read } = await written(await planOf({ intent: 'uninstall', subject: 'chat' }, opened));
    const late = { ...opened, now: () => new Date('2026-11-21T12:00:00Z') };
    await expectCode(() => applyPlan(read, late), 'plan-stale');
    const until = '2026-11-21T13:00:00Z';
    await grantOverride({ rule: 'window', by: 'A. Officer', reason: 'outage', until }, late);
    await expectCode(() => applyPlan(read, late), 'plan-stale');
  });

  it('is refused when its file was edited', async () => {
    const opened = await siteWith(one);
    const plan = await planOf({ intent: 'uninstall', subject: 'chat' }, opened);
    const edited = { ...plan, steps: plan.steps.slice(1) };
    const { read } = await written(edited);
    const error = await expectCode(() => applyPlan(read, opened), 'plan-stale');
    expect(error.found).toBe('the steps are different now');
  });
});

describe('when a site asks for the approval of plans', () => {
  const ASKS = 'requirePlanApproval: true\n';

  it('installs, rolls back and applies nothing without', async () => {
    const opened = await siteWith(one, ASKS);
    await expectCode(() => install(two.folder, opened), 'plan-unapproved');
    const { read } = await written(await planOf({ intent: 'uninstall', subject: 'chat' }, opened));
    await expectCode(() => applyPlan(read, opened), 'plan-unapproved');
    expect((await currentGeneration(opened.site)).number).toBe(1);
    expect(readdirSync(opened.site.root)).not.toContain('apply');
  });

  it('applies what the officer signed, and writes down who that was', async () => {
    const opened = await siteWith(one, ASKS);
    await expectCode(() => install(two.folder, opened), 'plan-unapproved');
    const { file, read } = await written(
      await planOf({ intent: 'install', subject: two.id }, opened),
    );
    await sign(file, read.bytes, 'officer', officer.signer);
    const changed = await applyPlan(await readPlan(file), opened);
    expect(changed.plan.to.releases[0]?.version).toBe('2.0.0');
    const { entries } = await readLedger(opened.site);
    expect(entries.at(-1)?.event).toMatchObject({
      approvedBy: [officer.signer.certificate.subject],
    });
  });

  it('does not count the release engineer, nor a signature over another plan', async () => {
    const opened = await siteWith(one, ASKS);
    const wish = { intent: 'uninstall', subject: 'chat' } as const;
    const first = await written(await planOf(wish, opened));
    await sign(first.file, first.read.bytes, 'engineer', one.signer);
    const engineers = await readPlan(first.file);
    await expectCode(() => applyPlan(engineers, opened), 'threshold-unmet');
    const other = await written(await planOf(wish, opened));
    await sign(other.file, other.read.bytes, 'officer', officer.signer);
    const { approvals } = await readPlan(other.file);
    await expectCode(() => applyPlan({ ...first.read, approvals }, opened), 'signature-invalid');
  });

  it('judges what lies beside a plan also where the site does not ask', async () => {
    const opened = await siteWith(one);
    const { file } = await written(await planOf({ intent: 'uninstall', subject: 'chat' }, opened));
    writeFileSync(`${file}.x.p7s`, 'no signature');
    const read = await readPlan(file);
    await expectCode(() => applyPlan(read, opened), 'signature-malformed');
  });

  it('does not replace a signature', async () => {
    const opened = await siteWith(one);
    const { file, read } = await written(
      await planOf({ intent: 'uninstall', subject: 'chat' }, opened),
    );
    await sign(file, read.bytes, 'officer', officer.signer);
    const again = sign(file, read.bytes, 'officer', officer.signer);
    await expectCode(() => again, 'output-exists');
  });
});

const scratchOfInstall = scratchFolder();

describe('when an older version is installed over a newer one', () => {
  it('warns if it was imported before, and refuses to import it again', async () => {
    const one = await smallBundle({ place: scratchOfInstall.fresh() });
    const { authority, trust } = one;
    const two = await smallBundle({
      place: scratchOfInstall.fresh(),
      authority,
      version: '1.1.0',
      seq: 2,
    });
    const heard = context();
    const options = {
      ...heard,
      site: new SiteFolder(scratchOfInstall.fresh('site')),
      target: fakeTarget(),
    };
    await install(one.folder, { ...options, trust });
    await install(two.folder, { ...options, trust });
    const warnings = (): string[] =>
      heard.events.flatMap((each) => (each.type === 'warning' ? [each.message] : []));
    expect(warnings().filter((each) => each.includes('returns'))).toEqual([]);
    const { plan } = await installImported('chat@1.0.0', options);
    expect(plan.to.releases).toMatchObject([{ version: '1.0.0' }]);
    expect(warnings()).toContain('chat returns from 1.1.0 to 1.0.0');
    await expectCode(() => install(one.folder, { ...options, trust }), 'release-rollback');
  });
});
