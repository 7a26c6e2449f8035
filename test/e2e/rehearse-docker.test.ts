import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { trustFingerprint } from '../../src/bundle/admission/trust-files.ts';
import { writeCanonical } from '../../src/format/document.ts';
import { trustKind } from '../../src/format/trust.ts';
import { type Docker, isolatedDocker } from '../lab/docker.ts';
import { type Ran, stowage } from './cli.ts';
import { everyRehearsal } from './rehearsals.ts';

const work = mkdtempSync(join(tmpdir(), 'rd-'));
const at = (...names: readonly string[]): string => join(work, ...names);
let docker: Docker;

beforeAll(async () => {
  docker = await isolatedDocker(at('d'));
});

const run = (kill: AbortSignal | undefined, ...args: readonly string[]): Promise<Ran> => {
  const env = { ...docker.env, STOWAGE_SITE: at('site') };
  const options = { cwd: work, env, through: docker.gap.enter };
  return stowage({ ...options, ...(kill === undefined ? {} : { kill }) }, ...args);
};

afterAll(async () => {
  await docker?.destroy();
  rmSync(work, { recursive: true, force: true });
});

describe('on docker', () => {
  everyRehearsal(() => ({
    ...{ place: work, target: 'docker', unprivileged: false },
    rehearse: (args, kill) => run(kill, 'rehearse', '--target', 'docker', ...args),
    // A site that runs, which publishes the same port.
    async prepare({ folder, trust }) {
      mkdirSync(at('site'));
      writeFileSync(at('site/site.yaml'), 'apiVersion: stowage/v1\nname: vault\ntarget: docker\n');
      writeFileSync(at('trust.json'), writeCanonical(trustKind, trust));
      const given = ['--trust', at('trust.json'), '--fingerprint', trustFingerprint(trust)];
      const installed = await run(undefined, 'install', folder, ...given);
      expect(installed.status, installed.stderr).toBe(0);
    },
    async production() {
      const status = await run(undefined, 'status');
      expect(status.status, status.stdout).toBe(0);
      return [
        await docker.docker('ps', '--all', '--no-trunc', '--format', '{{.ID}} {{.Names}}'),
        await docker.docker('network', 'ls', '--no-trunc', '--format', '{{.ID}} {{.Name}}'),
        await docker.docker('images', '--all', '--no-trunc', '--format', '{{.ID}}'),
        (await docker.gap.run('ip', ['-br', 'link', 'show', 'type', 'bridge'])).stdout,
      ];
    },
  }));
});
