import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { type Ran, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder();
const HEAD = 'apiVersion: stowage/v1\nname: plant\n';
let place: string;
let file: string;

const run = (...args: readonly string[]): Promise<Ran> =>
  runProgram([...args, '--site', 'site'], place);

beforeAll(async () => {
  place = scratch.fresh();
  file = join(place, 'site/site.yaml');
  mkdirSync(join(place, 'site'), { recursive: true });
  writeFileSync(file, `${HEAD}target: depot\n`);
  const { folder, root } = await smallBundle({ place: scratch.fresh() });
  writeFileSync(join(place, 'root.pem'), encodeCertificate(root));
  const trust = ['--trust', join(place, 'root.pem'), '--fingerprint', root.fingerprint];
  expect((await run('install', folder, ...trust)).status).toBe(0);
});

// The defects, and where each is.
const broken: readonly (readonly [string, string, string])[] = [
  ['a misspelt field', `${HEAD}targett: depot\n`, ':3:1: targett: unknown field'],
  ['a value of another type', `${HEAD}target: depot\nrequireApproval: 1\n`, ':4:18: requireA'],
  ['a target that does not exist', `${HEAD}target: nomad\n`, ':3:9: target: expected one of'],
  ['a missing version', 'name: plant\n', ':1:1: apiVersion: required field is missing'],
  ['no YAML', `${HEAD}labels: {\n`, ':4:1: '],
  ['nothing', '', ':1:1: '],
];

describe('when site.yaml has defects', () => {
  const readers = ['status', 'history', 'audit show', 'receipt show', 'store verify'];

  it.each(broken)('says where, and still reads what runs: %s', async (_, text, defect) => {
    writeFileSync(file, text);
    for (const reader of readers) {
      const ran = await run(...reader.split(' '));
      expect([reader, ran.status, ran.error]).toEqual([reader, 0, undefined]);
      if (['status', 'store verify'].includes(reader)) expect(ran.stderr).toContain(file + defect);
    }
    const checked = await run('status', '--check');
    expect(checked.status).toBe(5);
    expect(checked.stdout).toContain(`attention: plant: no change is possible: ${file}${defect}`);
  });

  it.each(['stop', 'start', 'restart', 'logs'])('lets %s find the release', async (command) => {
    writeFileSync(file, `${HEAD}targett: depot\n`);
    // A depot serves it and runs nothing.
    expect((await run(command, 'chat')).error?.code).toBe('service-unknown');
  });

  it.each([
    'plan chat',
    'install chat',
    'uninstall chat --yes',
    'rollback',
    'gc',
    'receipt write',
    'store verify --repair .',
    'override window --by me --reason why --until 2026-11-22T00:00:00Z',
  ])('refuses %s, and names file, line and field', async (line) => {
    writeFileSync(file, `${HEAD}targett: depot\n`);
    const { status, error } = await run(...line.split(' '));
    expect([status, error?.code]).toEqual([1, 'site-invalid']);
    expect(error?.hint).toContain(`correct targett in line 3 of ${file}`);
  });
});
