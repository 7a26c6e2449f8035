import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runtimeScript } from '../../../src/target/sealed/sealed-podman.ts';
import { run } from '../../lab/process.ts';

let folder: string;
const at = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "it's "));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the script for a bundle of a runtime that prints its arguments. */
async function runtime(name: string, linux: object, args: readonly string[] = []) {
  const process = { args: ['{"memory":{"limit":1},"cgroupsPath":"/kept"}', ...args] };
  writeFileSync(at('config.json'), JSON.stringify({ process, linux }));
  writeFileSync(at(name), '#!/bin/sh\necho "$@"\n');
  writeFileSync(at('script'), runtimeScript(at(name)));
  for (const each of [name, 'script']) chmodSync(at(each), 0o755);
  const printed = await run(at('script'), ['create', '--bundle', folder, 'id-1']);
  return { printed, config: JSON.parse(readFileSync(at('config.json'), 'utf8')), process };
}

const devices = [{ allow: false, access: 'rwm' }];
const memory = { limit: 104857600, swap: 209715200 };
const groups = { cgroupsPath: '/libpod_parent/libpod-1' };
const namespaces = [{ type: 'pid' }];

describe('when a container is made without control groups', () => {
  it.each([
    ['all limits', { resources: { devices, memory, cpu: { quota: 1 }, pids: { limit: 5 } } }],
    ['a limit that comes last', { resources: { devices, pids: { limit: 2048 } } }],
    ['no limits', { resources: { devices } }],
  ])('takes out %s and the path of the groups, and nothing else', async (_, linux) => {
    const { config, process } = await runtime('runc', { ...linux, ...groups, namespaces });
    expect(config).toEqual({ process, linux: { resources: { devices }, namespaces } });
  });

  it('takes out limits that are alone', async () => {
    const { config } = await runtime('runc', { resources: { memory }, ...groups });
    expect(config.linux).toEqual({ resources: {} });
  });

  it.each([
    ['runc', 'create --bundle'],
    ['crun', '--cgroup-manager disabled create --bundle'],
  ])('runs %s with its arguments', async (name, begin) => {
    const { printed } = await runtime(name, { namespaces });
    expect(printed.trim()).toBe(`${begin} ${folder} id-1`);
  });
});
