import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeJson } from '../../src/format/document.ts';
import { type Lock, lockKind, sealLock } from '../../src/format/lock.ts';
import { type Hub, type HubRepo, startHub } from '../lab/hub.ts';
import { type Ran, runProgram } from '../support/fake-terminal.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();
const model = scratch.fresh('model');
let hub: Hub;

const repository = (scans: Readonly<Record<string, string>>): HubRepo => ({
  name: 'acme/tiny',
  revisions: { main: model },
  license: 'mit',
  scans,
});

beforeAll(async () => {
  mkdirSync(model);
  for (const name of ['a.json', 'b.json']) writeFileSync(join(model, name), '{}');
  hub = await startHub({ repos: [repository({})] });
});

afterAll(() => hub.stop());

function folderFor(...allow: readonly object[]): string {
  const cwd = scratch.fresh('cwd');
  mkdirSync(cwd);
  const models = [
    { name: 'tiny', source: 'hf://acme/tiny@main', ...(allow.length > 0 && { allow }) },
  ];
  const manifest = { apiVersion: 'stowage/v1', name: 'chat', version: '1.0.0', models };
  writeFileSync(join(cwd, 'stowage.yaml'), JSON.stringify(manifest));
  return cwd;
}

const run = (cwd: string, ...args: readonly string[]): Promise<Ran> =>
  runProgram(args, cwd, { env: { HF_ENDPOINT: hub.url, STOWAGE_STORE: join(cwd, 'store') } });

interface LockFile {
  readonly findings: readonly { readonly rule: string; readonly allowed?: string }[];
  readonly models: readonly { readonly files: readonly { readonly hubScan: string }[] }[];
}
const lockOf = (cwd: string): LockFile =>
  JSON.parse(readFileSync(join(cwd, 'stowage.lock.json'), 'utf8')) as LockFile;

describe("when the Hub's scanners report a concern about a file", () => {
  it.each(['unsafe', 'infected'])('refuses %s, and refers to the report', async (status) => {
    await hub.put(repository({ 'b.json': status }));
    const cwd = folderFor();
    const { error, stderr } = await run(cwd, 'lock');
    expect(error?.code).toBe('content-refused');
    expect(error?.found).toBe(`the Hub's scanners report this file as ${status} [hub-unsafe]`);
    expect(error?.message).toBe('b.json of tiny is refused');
    expect(stderr).toContain('page on the Hub');
    expect(() => lockOf(cwd)).toThrow();
  });

  it('accepts an unsafe file that the manifest allows by name, and records both statements', async () => {
    await hub.put(repository({ 'b.json': 'unsafe' }));
    const cwd = folderFor({ rule: 'hub-unsafe', file: 'b.json', reason: 'a false alarm' });
    const { error, stdout } = await run(cwd, 'lock', '--explain');
    expect(error).toBeUndefined();
    expect(stdout).toContain("the Hub's own scanners report that the file is unsafe");
    expect(stdout).toContain('a false alarm');
    const { findings, models } = lockOf(cwd);
    expect(findings).toMatchObject([{ rule: 'hub-unsafe', allowed: 'a false alarm' }]);
    expect(models[0]?.files.map(({ hubScan }) => hubScan)).toEqual(['safe', 'unsafe']);
    expect((await run(cwd, 'store', 'pull')).error).toBeUndefined();
  });

  it.each(['suspicious', 'caution', 'error'])('warns of %s', async (status) => {
    await hub.put(repository({ 'a.json': status }));
    const cwd = folderFor();
    const { error, stdout } = await run(cwd, 'lock', '--explain');
    expect(error).toBeUndefined();
    expect(stdout).toContain(
      "warning hub-scan: the Hub's own scanners report a concern about the file",
    );
    expect(stdout).toContain(`a.json: the Hub's scanners report this file as ${status}`);
    expect(lockOf(cwd).findings).toMatchObject([{ rule: 'hub-scan', severity: 'warning' }]);
  });

  it('records in the lock that a file was not scanned yet', async () => {
    await hub.put(repository({ 'a.json': 'queued' }));
    const cwd = folderFor();
    expect((await run(cwd, 'lock')).error).toBeUndefined();
    expect(lockOf(cwd).findings).toEqual([]);
    expect(lockOf(cwd).models[0]?.files[0]?.hubScan).toBe('queued');
  });

  it('stops the pull of an older lock with an unsafe scan result', async () => {
    await hub.put(repository({}));
    const cwd = folderFor();
    expect((await run(cwd, 'lock')).error).toBeUndefined();
    const path = join(cwd, 'stowage.lock.json');
    const text = readFileSync(path, 'utf8').replace('"hubScan": "safe"', '"hubScan": "unsafe"');
    const { schema: _, digest: __, ...older } = JSON.parse(text) as Lock;
    writeFileSync(path, writeJson(lockKind, sealLock(older)));
    expect((await run(cwd, 'store', 'pull')).error?.code).toBe('content-refused');
  });
});
