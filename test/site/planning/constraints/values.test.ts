import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

  it.each<[string, number, boolean]>([
    ['its owner only', 0o600, true],
    ['its owner only, and not to write', 0o400, true],
    ['its group', 0o640, false],
    ['everyone', 0o644, false],
    ['everyone, also to write', 0o666, false],
    ['everyone to write alone', 0o602, false],
  ])('judges a file for %s (mode %o) as ssh judges a private key', async (_, mode, satisfied) => {
    const file = scratch.fresh('key');
    writeFileSync(file, 'old value\n');
    chmodSync(file, mode);
    const [found] = await ask({ settings: { secrets: { chat: { key: { file } } } } });
    expect(found).toMatchObject({
      satisfied,
      found: satisfied ? 'present' : `${file} has mode ${mode.toString(8)}: run chmod 600 ${file}`,
    });
  });

  it('refuses a file that others can replace', async () => {
    const folder = scratch.fresh('open');
    mkdirSync(folder);
    chmodSync(folder, 0o777);
    const file = join(folder, 'key');
    writeFileSync(file, 'old value', { mode: 0o600 });
    const [found] = await ask({ settings: { secrets: { chat: { key: { file } } } } });
    expect(found).toMatchObject({ satisfied: false, found: expect.stringContaining('mode 777') });
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
