import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkDocument } from '../../../src/format/document.ts';
import { type Site, siteKind } from '../../../src/format/site.ts';
import { secretDefects, secretNames } from '../../../src/site/planning/secrets.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { packed } from '../../support/constraint-input.ts';
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
  it('names every one that the site does not have, where it belongs, and none of the values', async () => {
    const empty = scratch.fresh('empty');
    writeFileSync(empty, '\n');
    const given = settings({
      chat: { kye: { env: 'OTHER' }, other: { env: 'UNSET' }, token: { file: empty } },
    });
    const place = await site();
    const found = await secretDefects(bundle, place, given, { env: { OTHER: 'hunter2' } });
    const path = (secret: string): object => ({ path: ['secrets', 'chat', secret] });
    expect(found).toEqual([
      expect.objectContaining({ ...path('kye'), message: expect.stringMatching(/mean key\?$/) }),
      expect.objectContaining({
        ...path('key'),
        message: expect.stringContaining(`{ file: ${place.path('secrets/chat/key')} }`),
      }),
      expect.objectContaining({ ...path('token'), remedy: expect.stringContaining(empty) }),
      expect.objectContaining({ ...path('other'), remedy: 'set the variable UNSET' }),
    ]);
    expect(JSON.stringify(found)).not.toContain('hunter2');
  });

  it.each([
    ['does not exist', '/nonexistent'],
    ['is a folder', '/'],
    ['is a device', '/dev/zero'],
  ])('tells of a file that %s instead of failing', async (_, file) => {
    const from = { file };
    const given = settings({ chat: { key: from, token: from, other: from } });
    expect(await secretDefects(bundle, await site(), given, { env: {} })).toHaveLength(3);
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
