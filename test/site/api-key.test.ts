import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { DeployedRelease } from '../../src/format/plan.ts';
import { apiKeyOf, keyIn } from '../../src/site/api-key.ts';
import { keptName } from '../../src/site/planning/secrets.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import type { Target } from '../../src/target/target.ts';
import { release, service } from '../support/deployed.ts';
import { failed, fakeTarget } from '../support/fake-engine.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();
const { signal } = new AbortController();

/** A site with a value in `site.yaml`, and a release that was applied with another value or the same. */
async function applied(
  given: string | undefined,
  kept: string,
): Promise<{ site: SiteFolder; of: { release: DeployedRelease; service: string } }> {
  const site = new SiteFolder(scratch.fresh('site'));
  await site.prepare();
  const secrets = given === undefined ? '{}' : '{ chat: { key: { env: KEY } } }';
  writeFileSync(site.path('site.yaml'), `apiVersion: stowage/v1\nname: hq\nsecrets: ${secrets}\n`);
  const name = await keptName(site, 'chat', 'key', Buffer.from(kept));
  const one = release({ services: [service()] });
  return {
    site,
    of: { release: { ...one, secrets: [{ name, secret: 'key' }] }, service: 'server' },
  };
}

const holding = (stored: Target['storedSecret'] & {}): Target => ({
  ...fakeTarget(),
  storedSecret: stored,
});

describe('when a service has an API key', () => {
  it.each<[string, string | undefined, string | undefined, string | undefined]>([
    ['the one of the site, if the service has it', 'right', undefined, 'right'],
    ['the one of the engine, if that of the site was changed', 'changed', 'right', 'right'],
    ['the one of the engine, if the site has none now', undefined, 'right', 'right'],
    ['none, if neither is the one that it was applied with', 'changed', 'replaced', undefined],
    ['none, if the engine has none', undefined, undefined, undefined],
  ])('is sent %s', async (_, given, stored, found) => {
    const { site, of } = await applied(given, 'right');
    const target = holding(async () => (stored === undefined ? undefined : Buffer.from(stored)));
    const env = given === undefined ? {} : { KEY: given };
    expect(await apiKeyOf(of, { apiKey: 'key' }, { target, site, env, signal })).toBe(found);
  });

  it('is sent none if the engine fails, and none if it has no API key', async () => {
    const { site, of } = await applied(undefined, 'right');
    const target = holding(async () => {
      throw failed('no such container');
    });
    const places = { target, site, env: {}, signal };
    expect(await apiKeyOf(of, { apiKey: 'key' }, places)).toBeUndefined();
    expect(await apiKeyOf(of, {}, places)).toBeUndefined();
    expect(await apiKeyOf(of, { apiKey: 'other' }, places)).toBeUndefined();
  });

  it.each(['two\r\nX-Header: 1', 'with space', 'schlüssel', '', '\0'])(
    'never sends a header of other characters: %j',
    (text) => {
      expect(keyIn(Buffer.from(text))).toBeUndefined();
    },
  );
});
