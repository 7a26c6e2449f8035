import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkDocument } from '../../../src/format/document.ts';
import { type Site, siteKind } from '../../../src/format/site.ts';
import { secretNames } from '../../../src/site/planning/secrets.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { packed } from '../../support/constraint-input.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder(true);
const need = { description: 'a key' };
const { bundle } = packed({}, { secrets: { key: need, token: need, other: need } });

function settings(secrets: object): Site {
  return checkDocument(siteKind, { apiVersion: 'stowage/v1', name: 'site', secrets });
}

async function site(): Promise<SiteFolder> {
  const made = new SiteFolder(scratch.fresh('site'));
  await made.prepare();
  return made;
}

describe('when a release needs secrets', () => {
  it('names every one that the site does not have, and none of the values', async () => {
    const given = settings({ chat: { key: { env: 'KEY' }, token: { file: '/nonexistent' } } });
    const env = { OTHER: 'hunter2' };
    const error = await expectCode(
      async () => secretNames(bundle, await site(), given, { env }),
      'site-invalid',
    );
    expect(error.defects).toEqual([
      'release chat has no value for secret key: variable KEY is not set',
      'release chat has no value for secret token: no value in /nonexistent',
      'release chat has no value for secret other: nothing in site.yaml',
    ]);
    expect(JSON.stringify(error)).not.toContain('hunter2');
  });

  it('calls another value by another name, and the same by the same', async () => {
    const file = scratch.fresh('token');
    writeFileSync(file, 'one\n');
    const from = { file };
    const given = settings({ chat: { key: { env: 'KEY' }, token: from, other: from } });
    const place = await site();
    const first = await secretNames(bundle, place, given, { env: { KEY: 'a' } });
    const again = await secretNames(bundle, place, given, { env: { KEY: 'a' } });
    const other = await secretNames(bundle, place, given, { env: { KEY: 'b' } });
    expect(again).toEqual(first);
    expect(other.get('key')).not.toBe(first.get('key'));
    expect(first.get('token')).toMatch(/^stowage-chat-token-[0-9a-f]{12}$/);
    const elsewhere = await secretNames(bundle, await site(), given, { env: { KEY: 'a' } });
    expect(elsewhere.get('key')).not.toBe(first.get('key'));
  });
});
