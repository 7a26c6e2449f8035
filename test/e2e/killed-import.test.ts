import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTrust } from '../../src/bundle/admission/trust-files.ts';
import { MIB } from '../../src/core/limits.ts';
import { encodePem } from '../../src/trust/pem.ts';
import { randomOfTest } from '../support/seed.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { tree } from '../support/tree.ts';
import { stowage } from './cli.ts';

const KILLS = 100;
const project = fileURLToPath(new URL('../..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'stowage-killed-'));
let made: SmallBundle;
let trust: readonly string[];

beforeAll(async () => {
  made = await smallBundle({ place: work, partSize: 4 * MIB, weights: 41 * MIB, crumbs: 300 });
  const root = join(work, 'root.pem');
  writeFileSync(root, encodePem('CERTIFICATE', made.root.der));
  const { fingerprint } = readTrust(readFileSync(root), new Date());
  trust = ['--trust', root, '--fingerprint', fingerprint];
});

afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Imports in a separate process and kills it after this time, unless it ends earlier. @returns whether it was killed */
async function importFor(medium: string, site: string, milliseconds: number): Promise<boolean> {
  const program = [join(project, 'dist/main.js'), 'import', medium, ...trust, '--root', site];
  const child = spawn(join(project, 'node_modules/.bin/node'), program, { stdio: 'ignore' });
  const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds);
  const [status] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return status === null;
}

/**
 * Removes the parts from the medium that are finished according to the journal and must not be read again. If an import
 * read one, it would be missing, and the release would never be complete.
 */
function takeFinishedAway(medium: string, site: string): number {
  const path = join(site, 'staging', made.id, 'journal');
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
  const finished = lines.map((line) => join(medium, line.split(' ')[0] ?? ''));
  for (const each of finished) if (existsSync(each)) unlinkSync(each);
  return finished.length;
}

describe(`when an import is killed at ${KILLS} random moments`, () => {
  it('never reads a finished part again, and produces the same store', async () => {
    const random = randomOfTest();
    const reference = join(work, 'reference');
    const began = performance.now();
    const first = await stowage(
      { cwd: work },
      'import',
      made.folder,
      ...trust,
      '--root',
      reference,
    );
    const duration = performance.now() - began;
    expect(first.status).toBe(0);
    const expected = tree(join(reference, 'store', 'blobs'));
    const counts = { kills: 0, withFinished: 0, sites: 0, parts: 0 };
    while (counts.kills < KILLS) {
      counts.sites += 1;
      const site = join(work, `site-${counts.sites}`);
      const medium = join(work, `medium-${counts.sites}`);
      cpSync(made.folder, medium, { recursive: true });
      // A quarter of the full time, so that one import is killed several times.
      for (let ended = false; !ended && counts.kills < KILLS; ) {
        const moment = random() * duration * (counts.kills % 2 === 0 ? 0.9 : 0.5);
        ended = !(await importFor(medium, site, moment));
        if (ended) break;
        counts.kills += 1;
        const finished = takeFinishedAway(medium, site);
        if (finished > 0) counts.withFinished += 1;
        counts.parts = Math.max(counts.parts, finished);
      }
      const last = await stowage({ cwd: work }, 'import', medium, ...trust, '--root', site);
      expect(last.json).toMatchObject({ complete: true });
      expect(tree(join(site, 'store', 'blobs'))).toEqual(expected);
      expect(tree(join(site, 'staging'))).toEqual({});
      for (const each of [site, medium]) rmSync(each, { recursive: true });
    }
    console.log(
      `killed imports: ${JSON.stringify({ ...counts, milliseconds: Math.round(duration) })}`,
    );
    expect(counts.kills).toBe(KILLS);
    expect(counts.withFinished).toBeGreaterThan(KILLS / 10);
  });
});
