import { describe, expect, it } from 'vitest';
import { parameters, secrets } from '../../../../src/site/planning/constraints/values.ts';
import { keptName } from '../../../../src/site/planning/secrets.ts';
import { SiteFolder } from '../../../../src/site/site-folder.ts';
import { asking, packed } from '../../../support/constraint-input.ts';
import { context } from '../../../support/context.ts';
import { fakeTarget } from '../../../support/fake-engine.ts';
import { scratchFolder } from '../../../support/scratch.ts';

const scratch = scratchFolder(true);

describe('when services read a secret', () => {
  const settings = { secrets: { chat: { key: { env: 'KEY' } } } };

  async function ask(values: { env?: Record<string, string>; settings?: object; kept?: boolean }) {
    const site = new SiteFolder(scratch.fresh('site'));
    await site.prepare();
    const name = await keptName(site, 'chat', 'key', Buffer.from('old value'));
    const target = fakeTarget();
    if (values.kept === true)
      await target.placeSecret(
        { release: packed().wanted, name },
        Buffer.from('x'),
        context().signal,
      );
    const to = [packed({ secrets: [{ name, secret: 'key' }] })];
    return secrets(asking({ site, target, to, settings, intent: 'rollback', ...values }));
  }

  it.each([
    ['its value', { env: { KEY: 'old value' } }, true, 'present'],
    ['no value', {}, false, 'variable KEY is not set'],
    ['no word of it', { settings: {} }, false, 'nothing in site.yaml'],
    ['another value', { env: { KEY: 'new' } }, false, 'a different value than in that generation'],
    [
      'another value, and the old one in the engine',
      { env: { KEY: 'new' }, kept: true },
      true,
      'present',
    ],
    ['no value, and the old one in the engine', { kept: true }, true, 'present'],
  ])('finds %s', async (_, values, satisfied, found) => {
    expect(await ask(values)).toEqual([
      { rule: 'secret', satisfied, needs: 'a value for secret key of release chat 1.0.0', found },
    ]);
  });

  it('says no value', async () => {
    const found = await ask({ env: { KEY: 'hunter2' } });
    expect(JSON.stringify(found)).not.toContain('hunter2');
  });
});

describe('when a release has parameters', () => {
  const parameter = { type: 'integer', default: 1, description: '' } as const;
  const to = [packed({}, { parameters: { port: parameter } })];

  it('lists them: values that do not fit make no plan at all', () => {
    expect(parameters(asking({ to }))).toMatchObject([
      { rule: 'parameter', needs: 'values of the right type for port of release chat 1.0.0' },
    ]);
    expect(parameters(asking({ to, intent: 'rollback' }))).toEqual([]);
  });
});
