import { writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { StowageEvent } from '../../../src/core/context.ts';
import type { Bundle } from '../../../src/format/bundle.ts';
import { requireValues } from '../../../src/site/planning/release-values.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { SMALL_SERVICE, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder(true);
const HEAD = 'apiVersion: stowage/v1\nname: plant\n';
let bundle: Bundle;

beforeAll(async () => {
  ({ bundle } = await smallBundle({
    place: scratch.fresh(),
    parameters: {
      port: { type: 'integer', default: 8080, description: 'the port' },
      alias: { type: 'string', description: 'the name' },
      database: { type: 'string', default: '10.0.0.5', description: 'the database' },
    },
    secrets: { key: { description: 'a key' }, token: { description: 'a token' } },
    services: [
      {
        ...SMALL_SERVICE,
        ports: [{ name: 'http', container: 80, host: '${parameters.port}' }],
        egress: [{ to: '${parameters.database}', ports: [5432], reason: 'the index' }],
      },
    ],
  }));
});

async function check(text: string | undefined): Promise<{ file: string; warnings: string[] }> {
  const site = new SiteFolder(scratch.fresh('site'));
  await site.prepare();
  if (text !== undefined) writeFileSync(site.file, text.replaceAll('SITE', site.root));
  writeFileSync(site.path('token'), 'hunter2\n');
  const warnings: string[] = [];
  const emit = (event: StowageEvent): void => {
    if (event.type === 'warning') warnings.push(event.message);
  };
  const options = { ...context(), emit, site, target: fakeTarget(), env: { KEY: 'k' } };
  await requireValues(bundle, await site.site(), options);
  return { file: site.file, warnings };
}

const refused = (text: string | undefined) => expectCode(() => check(text), 'site-invalid');
const SECRETS = 'secrets: { chat: { key: { env: KEY }, token: { file: SITE/token } } }\n';
const PARAMETERS = 'parameters: { chat: { alias: a } }\n';

describe('when site.yaml sets the values of a release', () => {
  it('tells of every kind that is missing at once, with file and line', async () => {
    const error = await refused(
      `${HEAD}parameters: {}\nsecrets:\n  chat:\n    token: { file: /nonexistent }\n`,
    );
    const lines = error.defects.map((each) => each.replace(/^\S*site\.yaml/, '').split(': ', 2));
    expect(lines).toEqual([
      [':3:13', 'parameters.chat.alias'],
      [':6:5', 'secrets.chat.key'],
      [':6:12', 'secrets.chat.token'],
    ]);
    expect(error.hint).toMatch(/^correct parameters\.chat\.alias in line 3 of \/.*\/site\.yaml;/);
  });

  it('says where to create a site.yaml if there is none', async () => {
    const error = await refused(undefined);
    expect(error.hint).toMatch(/^create \/\S*\/site\.yaml /);
    expect(error.defects).toHaveLength(3);
  });

  it('says which file lacks the value of a secret', async () => {
    const text = `${HEAD}${PARAMETERS}secrets: { chat: { key: { env: KEY }, token: { file: /no } } }\n`;
    expect((await refused(text)).hint).toMatch(/^write the value to \/no with mode 600, or /);
  });

  it.each<[string, string, RegExp]>([
    ['release', `${HEAD}parameters: { caht: { alias: a } }\n${SECRETS}`, /caht.*mean chat\?/],
    ['secret', `${HEAD}${PARAMETERS}secrets: { chat: { kye: { env: KEY } } }\n`, /kye.*mean key\?/],
    ['parameter', `${HEAD}parameters: { chat: { aliass: a } }\n${SECRETS}`, /aliass.*mean alias\?/],
  ])('suggests the name of a misspelt %s', async (_, text, expected) => {
    expect((await refused(text)).defects.join('\n')).toMatch(expected);
  });

  it.each(['0', '65536', '-1'])('refuses the port %s, and names its line', async (port) => {
    const text = `${HEAD}parameters: { chat: { alias: a, port: ${port} } }\n${SECRETS}`;
    const { defects } = await refused(text);
    expect(defects).toEqual([expect.stringMatching(/site\.yaml:3:39: parameters\.chat\.port: /)]);
  });

  it('refuses a name where a service connects to, and names its line', async () => {
    const text = `${HEAD}parameters: { chat: { alias: a, database: db.site } }\n${SECRETS}`;
    const { defects } = await refused(text);
    expect(defects).toEqual([
      expect.stringMatching(
        /site\.yaml:3:43: parameters\.chat\.database: .* found db\.site: a name is not resolved/,
      ),
    ]);
  });

  it('refuses connections of a service that the release does not have', async () => {
    const place = '{ to: 10.0.0.5, ports: [1], reason: r }';
    const text = (service: string): string =>
      `${HEAD}${PARAMETERS}${SECRETS}egress: { chat: { ${service}: [${place}] } }\n`;
    const { defects } = await refused(text('srever'));
    expect(defects).toEqual([
      expect.stringMatching(
        /site\.yaml:5:19: egress\.chat\.srever: release chat has no service srever: it has server/,
      ),
    ]);
    expect((await check(text('server'))).warnings).toEqual([]);
  });

  it('accepts values that are complete', async () => {
    expect((await check(HEAD + PARAMETERS + SECRETS)).warnings).toEqual([]);
  });

  it.each([
    ['that may be this one misspelt', 'chatt', 1],
    ['that is another one', 'embed', 0],
  ])('warns of a release %s', async (_, name, count) => {
    const others = `confirmed: { ${name}: 1 }\n`;
    expect((await check(HEAD + PARAMETERS + SECRETS + others)).warnings).toHaveLength(count);
  });
});
