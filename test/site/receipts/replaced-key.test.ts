import { mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseSiteDocument } from '../../../src/fleet/site-document.ts';
import {
  NEXT,
  newSigner,
  siteSigner,
  switchToNext,
  writeSigner,
} from '../../../src/site/receipts/site-key.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { signDetached } from '../../../src/trust/cms-sign.ts';
import { packedAt } from '../../support/context.ts';
import { runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder();

function place(): SiteFolder {
  const site = new SiteFolder(scratch.fresh('site'));
  mkdirSync(site.path('keys'), { recursive: true });
  return site;
}

describe('when the next key of a site becomes the current one', () => {
  it('signs from then on, also if the switch was killed in the middle', async () => {
    for (const killed of [false, true]) {
      const site = place();
      await siteSigner(site, 'plant', packedAt);
      const next = newSigner('plant', packedAt);
      await writeSigner(site, NEXT, next);
      if (killed) renameSync(site.path('keys', 'next.key.pem'), site.path('keys', 'site.key.pem'));
      else await switchToNext(site);
      const { key, certificate } = await siteSigner(site, 'plant', packedAt);
      expect(certificate.fingerprint).toBe(next.certificate.fingerprint);
      // Throws unless they belong together.
      signDetached(Buffer.from('x'), { key, certificate }, packedAt);
      expect(readdirSync(site.path('keys')).toSorted()).toEqual(['site.key.pem', 'site.pem']);
    }
  });

  it('is forgotten if a kill left only its certificate', async () => {
    const site = place();
    const { certificate } = await siteSigner(site, 'plant', packedAt);
    await writeSigner(site, NEXT, newSigner('plant', packedAt));
    renameSync(site.path('keys', 'next.key.pem'), site.path('keys', 'x'));
    const again = await siteSigner(site, 'plant', packedAt);
    expect(again.certificate.fingerprint).toBe(certificate.fingerprint);
    expect(readdirSync(site.path('keys'))).not.toContain('next.pem');
  });
});

describe('when an operator replaces the key of a site', () => {
  it('writes a handover that the old key signs, for the fleet to take', async () => {
    const site = new SiteFolder(scratch.fresh('site'));
    await site.prepare();
    const old = await siteSigner(site, 'plant', packedAt);
    const medium = scratch.fresh('medium');
    const run = (): Promise<{ status: number; error?: { code: string } }> =>
      runProgram(['receipt', 'new-key', medium, '--site', site.root], scratch.root);
    // Nowhere to write to: the key stays, and the next run goes on with the one that was made.
    expect(await run()).toMatchObject({ error: { code: 'file-missing' } });
    const unchanged = await siteSigner(site, 'plant', packedAt);
    expect(unchanged.certificate.fingerprint).toBe(old.certificate.fingerprint);
    const begun = readFileSync(site.path('keys', 'next.pem'), 'utf8');
    mkdirSync(medium);
    expect(await run()).toMatchObject({ status: 0 });
    expect(readFileSync(site.path('keys', 'site.pem'), 'utf8')).toBe(begun);
    const [json = '', signature = ''] = readdirSync(medium).toSorted();
    const document = parseSiteDocument(
      readFileSync(join(medium, json)),
      readFileSync(join(medium, signature)),
    );
    expect(document.certificate.fingerprint).toBe(old.certificate.fingerprint);
    const current = await siteSigner(site, 'plant', packedAt);
    expect(document.content).toMatchObject({ kind: 'handover' });
    if (document.content.kind !== 'handover') throw new Error('it is a handover');
    expect(document.content.successor.fingerprint).toBe(current.certificate.fingerprint);
  });
});
