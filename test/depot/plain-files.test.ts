import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Depot, startDepot } from '../../src/depot/server.ts';
import { catalogOf } from '../../src/site/catalog/catalog.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { stagedSite } from '../support/staged-site.ts';
import { ask } from './fixture.ts';

const scratch = scratchFolder();
let depot: Depot;
let one: SmallBundle;
let weights: Buffer;

beforeAll(async () => {
  one = await smallBundle({ place: scratch.fresh(), weights: 200_000 });
  const two = await smallBundle({
    ...{ place: scratch.fresh(), authority: one.authority },
    ...{ version: '1.1.0', seq: 2, weights: 1000 },
  });
  const site = await stagedSite(scratch.fresh('site'), [one, two]);
  depot = await startDepot(await catalogOf(site, [one.id, two.id]), {
    address: '127.0.0.1',
    port: 0,
  });
  const [model] = one.bundle.models;
  const file = model?.files.find(({ path }) => path === 'model.safetensors');
  if (file === undefined) throw new Error('the small bundle has weights');
  weights = readFileSync(site.store.path(file.digest));
});

afterAll(async () => depot?.close());

describe('when a machine has only curl', () => {
  const base = '/files/chat@1.0.0';

  it('lists the contents of a release, and the files of each with their sizes', async () => {
    expect((await ask(depot.host, `${base}/`)).body.toString()).toBe('tiny/\nsettings/\n');
    expect((await ask(depot.host, `${base}/tiny/`)).body.toString()).toContain(
      '200000 model.safetensors\n',
    );
  });

  it.each([
    ['all of a file', {}, 200, [0, 200_000]],
    ['a range', { range: 'bytes=10-19' }, 206, [10, 20]],
    ['the end', { range: 'bytes=-5' }, 206, [199_995, 200_000]],
    ['from an offset', { range: 'bytes=199990-' }, 206, [199_990, 200_000]],
    ['nothing beyond the end', { range: 'bytes=200000-' }, 416, undefined],
  ] as const)('gets %s', async (_, headers, status, part) => {
    const reply = await ask(depot.host, `${base}/tiny/model.safetensors`, { headers });
    expect(reply.status).toBe(status);
    if (part !== undefined) expect(reply.body).toEqual(weights.subarray(...part));
  });

  it('continues a download that curl began', async () => {
    const file = scratch.fresh('got');
    writeFileSync(file, weights.subarray(0, 70_000));
    const url = `http://${depot.host}${base}/tiny/model.safetensors`;
    await promisify(execFile)(
      'curl',
      ['--fail', '--silent', '--show-error', '-C', '-', '-o', file, url],
      {
        env: { PATH: process.env['PATH'] },
      },
    );
    expect(readFileSync(file).equals(weights)).toBe(true);
  });

  it('gets the newest release under the name alone', async () => {
    const reply = await ask(depot.host, '/files/chat/settings/settings.json');
    expect(reply.body.toString()).toBe('{"release":"chat-1.1.0"}');
  });

  it.each([
    '/files/chat@9.9.9/tiny/model.safetensors',
    `${base}/other/`,
    `${base}/tiny/absent`,
    `${base}/tiny/../settings/settings.json`,
    `${base}/tiny/%2e%2e%2fsettings%2fsettings.json`,
    `${base}/tiny/%ff`,
    `${base}/tiny/model.safetensors/`,
    '/bundles/chat@1.0.0/absent',
    '/bundles/chat@1.0.0/../../../etc/passwd',
  ])('gets nothing at %s', async (path) => {
    expect((await ask(depot.host, path)).status).toBe(404);
  });

  it('changes nothing', async () => {
    for (const method of ['PUT', 'POST', 'DELETE', 'PATCH'])
      expect((await ask(depot.host, `${base}/tiny/model.safetensors`, { method })).status).toBe(
        405,
      );
  });

  it('gets the files of the bundle as they were signed', async () => {
    const reply = await ask(depot.host, '/bundles/chat@1.0.0/SHA512SUMS');
    expect(reply.body.equals(readFileSync(`${one.folder}/SHA512SUMS`))).toBe(true);
  });
});
