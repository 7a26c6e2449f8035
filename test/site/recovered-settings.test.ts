import { readdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { switchTo } from '../../src/site/generations.ts';
import { writeReceipt } from '../../src/site/receipts/receipt.ts';
import { recoverSettings } from '../../src/site/recovered-settings.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import { packedAt } from '../support/context.ts';
import { generation, release } from '../support/deployed.ts';
import { flipBit } from '../support/flip-bit.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();
const HEAD = 'apiVersion: stowage/v1\nname: plant\n';
const CLUSTER = `${HEAD}target: kubernetes\nkubernetes:\n  context: far\n  kubeconfig: /k\n  image: {}\n`;

/** A site whose current generation was applied with these engines, the newest last. */
async function applied(...engines: readonly string[]): Promise<SiteFolder> {
  const site = new SiteFolder(scratch.fresh('site'));
  await site.prepare();
  const running = generation(1, release());
  await switchTo(site, running);
  writeFileSync(site.file, HEAD);
  for (const [index, engine] of engines.entries()) {
    const host = { platform: 'linux/amd64', kernel: '6', engine, labels: { rack: '7' } };
    const facts = { generations: [1], held: { blobs: 0, bytes: 0 }, health: [], host };
    const ledger = { number: 1, digest: 'a'.repeat(128) };
    const about = { intent: 'install', outcome: 'kept', gates: [], ledger } as const;
    const at = new Date(packedAt.getTime() + index * 1000);
    await writeReceipt(site, { ...about, running, facts }, at);
  }
  return site;
}

describe('when site.yaml has defects', () => {
  it.each<[string, readonly string[], string, object | undefined]>([
    ['the newest receipt', ['docker 27.0', 'podman 5.0'], HEAD, { target: 'podman' }],
    ['the newest that knows its engine', ['docker 27.0', 'unknown'], HEAD, { target: 'docker' }],
    ['the receipt, not site.yaml', ['podman 5.0'], 'target: docker', { target: 'podman' }],
    ['site.yaml if there is no receipt', [], 'target: docker', { target: 'docker' }],
    ['none from nothing', [], '{', undefined],
    ['none that is unknown', [], 'target: nomad', undefined],
    ['none from a receipt of another program', ['nomad 1.0'], HEAD, undefined],
    [
      'the address of a cluster from what can be read',
      ['kubernetes 1.35.0'],
      CLUSTER,
      { target: 'kubernetes', kubernetes: { context: 'far', kubeconfig: '/k' } },
    ],
    ['no cluster from a list', ['kubernetes 1.35.0'], 'kubernetes: {context: []}', undefined],
  ])('takes the target from %s', async (_, engines, text, expected) => {
    const site = await applied(...engines);
    writeFileSync(site.file, text);
    const found = await recoverSettings(site);
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toMatchObject(expected);
  });

  it('keeps the name and the labels that its receipts have', async () => {
    const site = await applied('podman 5.0');
    writeFileSync(site.file, 'name: 7');
    expect(await recoverSettings(site)).toMatchObject({ name: 'plant', labels: { rack: '7' } });
  });

  it('passes over a receipt whose signature is invalid', async () => {
    const site = await applied('docker 27.0', 'podman 5.0');
    writeFileSync(site.file, '{');
    const newest = readdirSync(site.path('receipts')).findLast((each) => each.endsWith('.json'));
    flipBit(site.path('receipts', newest ?? ''), 100);
    expect(await recoverSettings(site)).toMatchObject({ target: 'docker' });
  });

  it('needs no target at a site where nothing is installed', async () => {
    const site = new SiteFolder(scratch.fresh('site'));
    await site.prepare();
    writeFileSync(site.file, '{');
    expect(await recoverSettings(site)).toMatchObject({ target: 'depot' });
  });
});
