import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestHex } from '../../../src/core/digest.ts';
import type { Plan } from '../../../src/format/plan.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import { importBundle, previewImport } from '../../../src/site/importing/import.ts';
import { PreviewSite } from '../../../src/site/importing/preview.ts';
import { stateOf } from '../../../src/site/ledger/site-state.ts';
import { propose } from '../../../src/site/planning/propose.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { signedBundle } from '../../attacks/signed-bundle.ts';
import { context, packedAt } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { fakeHost } from '../../support/fake-host.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { SMALL_SERVICE, type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { stagedSite } from '../../support/staged-site.ts';
import { tree } from '../../support/tree.ts';

const scratch = scratchFolder();
const options = { target: fakeTarget(), host: fakeHost({}) };

/** A bundle whose plan needs a file of it. */
function templated(): Promise<SmallBundle> {
  const mounts = [{ template: 'settings', path: '/etc/settings.json' }];
  return smallBundle({ place: scratch.fresh(), services: [{ ...SMALL_SERVICE, mounts }] });
}

function planAt(site: SiteFolder, id: string): Promise<Plan> {
  const request = { intent: 'install', subject: id } as const;
  return propose(request, stateOf([]), packedAt, { ...context(), ...options, site });
}

async function previewOf({
  folder,
  trust,
}: Pick<SmallBundle, 'folder' | 'trust'>): Promise<PreviewSite> {
  const root = scratch.fresh('nowhere');
  const importing = { ...context(), ...options, trust, site: new SiteFolder(root) };
  return new PreviewSite(root, await previewImport([folder], stateOf([]), importing));
}

describe('when a bundle is planned before its import', () => {
  it('has the plan that it has after the import, and writes nothing', async () => {
    const made = await templated();
    const site = await previewOf(made);
    const before = tree(scratch.root);
    const previewed = await planAt(site, made.id);
    expect(tree(scratch.root)).toEqual(before);
    const real = await stagedSite(scratch.fresh('site'), [made]);
    const planned = await planAt(real, made.id);
    const actions = ({ steps }: Plan): string[] => steps.map((each) => each.do.action);
    expect(actions(previewed)).toEqual(actions(planned));
    expect(previewed.to.releases[0]?.texts).toEqual(planned.to.releases[0]?.texts);
  });

  it('does not use a file that is damaged on the media, or not on them', async () => {
    const made = await templated();
    const site = await previewOf(made);
    const [file] = made.bundle.files;
    if (file === undefined) throw new Error('the bundle has a file');
    const path = join(made.folder, 'blobs/sha256', digestHex(file.digest));
    flipBit(path);
    await expectCode(() => planAt(site, made.id), 'part-damaged');
    rmSync(path);
    await expectCode(() => planAt(site, made.id), 'file-missing');
  });

  it('does not trust control files that were changed since they were admitted', async () => {
    const made = await templated();
    const site = await previewOf(made);
    writeFileSync(join(made.folder, 'bundle.json'), '{}');
    await expectCode(() => planAt(site, made.id), 'state-damaged');
  });

  it('judges by the trust document that the bundle brings, as its import does', async () => {
    const rehearsals = { stable: { maxAgeDays: 30 } };
    const newest = { schema: 'stowage/trust/v2', rehearsals } as const;
    const made = await signedBundle({ place: scratch.fresh(), chain: true, newest });
    const preview = await previewOf(made);
    expect((await preview.trust()).version).toBe(3);
    const asked = ({ constraints }: Plan): unknown[] =>
      constraints.filter(({ rule }) => rule === 'rehearsal');
    const previewed = asked(await planAt(preview, made.id));
    expect(previewed).toMatchObject([
      { satisfied: false, needs: expect.stringContaining('(trust document 3, channel stable)') },
    ]);

    const real = new SiteFolder(scratch.fresh('real'));
    const importing = { ...context(), ...options, trust: made.trust, site: real };
    await withSite(importing, (ledger) => importBundle(made.folder, ledger, importing));
    expect(asked(await planAt(real, made.id))).toEqual(previewed);
  });
});
