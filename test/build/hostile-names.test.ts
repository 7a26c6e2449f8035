import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startHub } from '../lab/hub.ts';
import { serve } from '../net/server.ts';
import { type Ran, runProgram } from '../support/fake-terminal.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();
const commit = 'a'.repeat(40);

async function lockAgainst(endpoint: string): Promise<{ ran: Ran; cwd: string }> {
  const cwd = scratch.fresh('cwd');
  mkdirSync(cwd);
  const models = [{ name: 'tiny', source: 'hf://acme/tiny@main' }];
  const manifest = { apiVersion: 'stowage/v1', name: 'chat', version: '1.0.0', models };
  writeFileSync(join(cwd, 'stowage.yaml'), JSON.stringify(manifest));
  const env = { HF_ENDPOINT: endpoint, STOWAGE_STORE: join(cwd, 'store') };
  return { ran: await runProgram(['lock'], cwd, { env }), cwd };
}

/** A Hub with a repository of these files, which exist on disk. */
async function lockOf(...names: readonly string[]): Promise<Ran> {
  const folder = scratch.fresh('model');
  for (const name of names) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), name);
  }
  const hub = await startHub({ repos: [{ name: 'acme/tiny', revisions: { main: folder } }] });
  try {
    return (await lockAgainst(hub.url)).ran;
  } finally {
    await hub.stop();
  }
}

/** A Hub that lists files that cannot exist on disk. */
async function lockListed(path: string): Promise<{ ran: Ran; cwd: string; asked: string[] }> {
  const hub = await serve((request, response) => {
    const listing = request.url?.includes('/tree/');
    const file = { type: 'file', oid: 'b'.repeat(40), size: 1, path };
    response.end(JSON.stringify(listing ? [file] : { id: 'acme/tiny', sha: commit, tags: [] }));
  });
  const found = await lockAgainst(hub.url);
  return { ...found, asked: hub.seen.map(({ url }) => url) };
}

describe("when a model's files have names that some system cannot hold", () => {
  it.each<[string, readonly string[]]>([
    ['twins but for case', ['Config.json', 'config.json']],
    ['a file where another has a folder', ['a/x', 'A']],
    ['twins in Unicode', ['\u00e9.txt', 'e\u0301.txt']],
    ['letters that fold to one', ['stra\u00dfe.txt', 'STRASSE.txt']],
    ['a device of Windows', ['aux.json']],
    ['a dot at its end', ['a.']],
    ['a newline', ['a\nb']],
    ['an escape sequence', ['\u001b[2Ja']],
    ['letters that change the direction', ['\u202egnp.exe']],
    ['a backslash', ['a\\b']],
    ['a colon', ['a:b']],
  ])('%s is refused, and printed without harming a terminal', async (_, names) => {
    const { error, stderr } = await lockOf(...names);
    expect(error?.code).toBe('path-unsafe');
    expect(error?.hint).toContain('exclude');
    expect(stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  });

  it.each([
    '../up',
    '/etc/passwd',
    'a/../../up',
    'a//b',
    './a',
    '..',
    '',
    `${'a/'.repeat(40)}a`,
    'a'.repeat(300),
  ])('a listing of %j neither requests nor writes such a file', async (path) => {
    const { ran, cwd, asked } = await lockListed(path);
    expect(ran.error?.code).toBe('path-unsafe');
    expect(asked.filter((url) => url.includes('/resolve/'))).toEqual([]);
    expect(readdirSync(cwd).filter((name) => name !== 'store')).toEqual(['stowage.yaml']);
  });
});

describe('when the URL of a file does not end in a valid file name', () => {
  it.each([
    'https://files.example/%zz',
    'https://files.example/%ff',
    'https://files.example/..%2fup',
    'https://files.example/',
  ])('refuses %s before any request', async (source) => {
    const cwd = scratch.fresh('cwd');
    mkdirSync(cwd);
    const files = [{ name: 'a', source, digest: `sha256:${'0'.repeat(64)}` }];
    const manifest = { apiVersion: 'stowage/v1', name: 'chat', version: '1.0.0', files };
    writeFileSync(join(cwd, 'stowage.yaml'), JSON.stringify(manifest));
    const env = { STOWAGE_STORE: join(cwd, 'store'), HTTPS_PROXY: 'http://127.0.0.1:1' };
    const { error } = await runProgram(['lock'], cwd, { env });
    expect(error?.code).toBe('path-unsafe');
  });
});
