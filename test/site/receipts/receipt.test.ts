import { mkdirSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { siteSigner } from '../../../src/site/receipts/site-key.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { packedAt } from '../../support/context.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder();

function place(): SiteFolder {
  const site = new SiteFolder(scratch.fresh('site'));
  mkdirSync(site.path('keys'), { recursive: true });
  return site;
}

const nameOf = async (name: string): Promise<string> =>
  (await siteSigner(place(), name, packedAt)).certificate.subject;

describe('when the key of a site is created', () => {
  // "Stowage site " and 51 characters are the 64 of X.520.
  it.each([1, 50, 51])('has the name of the site in its certificate (%i characters)', async (n) => {
    expect(await nameOf('a'.repeat(n))).toContain(`CN=Stowage site ${'a'.repeat(n)}`);
  });

  it.each([52, 63, 64, 253])('shortens a name of %i characters', async (n) => {
    const name = 'a'.repeat(n);
    expect(await nameOf(name)).toMatch(/CN=Stowage site a{42}-[0-9a-f]{8}$/);
    expect(await nameOf(name)).toBe(await nameOf(name));
    expect(await nameOf(`${name}b`)).not.toBe(await nameOf(name));
  });

  it('is kept, readable by its owner only', async () => {
    const site = place();
    const { certificate } = await siteSigner(site, 'plant', packedAt);
    expect(statSync(site.path('keys', 'site.key.pem')).mode & 0o777).toBe(0o600);
    const again = await siteSigner(site, 'other', packedAt);
    expect(again.certificate.fingerprint).toBe(certificate.fingerprint);
  });
});
