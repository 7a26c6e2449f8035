import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { MAX_SITE_BYTES } from '../../../src/core/limits.ts';
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
    'forget chat',
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

describe('when more than the content of site.yaml is wrong', () => {
  const isRoot = process.getuid?.() === 0;
  const writeBroken = (): void => writeFileSync(file, `${HEAD}targett: depot\n`);
  const all = ['status', 'status --check', 'stop chat', 'start chat', 'restart chat', 'logs chat'];
  const changes = ['plan chat', 'install chat', 'gc'];

  it.each<[string, () => void, string]>([
    [
      'others can write it',
      () => {
        writeBroken();
        chmodSync(file, 0o666);
      },
      'site-exposed',
    ],
    [
      'another user owns it',
      () => {
        writeBroken();
        // A user other than root cannot give a file away, and exposes its folder instead.
        if (isRoot) chownSync(file, 4242, 4242);
        else chmodSync(join(place, 'site'), 0o777);
      },
      'site-exposed',
    ],
    [
      'it is a link',
      () => {
        writeFileSync(join(place, 'elsewhere.yaml'), `${HEAD}targett: depot\n`);
        symlinkSync(join(place, 'elsewhere.yaml'), file);
      },
      'site-exposed',
    ],
    [
      'a newer version wrote it',
      () => writeFileSync(file, 'apiVersion: stowage/v2\nname: plant\n'),
      'format-newer',
    ],
  ])('recovers nothing, and every command refuses it: %s', async (_, arrange, code) => {
    rmSync(file, { force: true });
    arrange();
    for (const line of [...all, ...changes, `plan ${place}`]) {
      const { status, error, stderr } = await run(...line.split(' '));
      expect([line, status, error?.code]).toEqual([line, 1, code]);
      expect(stderr).not.toContain('as applied');
    }
    rmSync(file, { recursive: true });
    chmodSync(join(place, 'site'), 0o755);
  });

  it.each<[string, () => void]>([
    [
      'too large',
      () => writeFileSync(file, `${HEAD}target: depot\n#${'x'.repeat(MAX_SITE_BYTES)}\n`),
    ],
    ['a folder', () => mkdirSync(file)],
  ])('still reads what runs if the file is %s', async (_, arrange) => {
    rmSync(file, { force: true });
    arrange();
    expect((await run('status')).status).toBe(0);
    const { status, error } = await run('install', 'chat');
    expect([status, error?.code]).toEqual([1, 'site-invalid']);
    rmSync(file, { recursive: true });
  });
});
