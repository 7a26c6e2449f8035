import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { targetNames } from '../../src/format/target-name.ts';
import { createContainerTarget } from '../../src/target/container/container-target.ts';
import type { EngineFacts } from '../../src/target/container/engine.ts';
import { createTarget } from '../../src/target/targets.ts';
import { expectCode } from '../support/error.ts';
import { FakeEngine } from '../support/fake-engine.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();
const { signal } = new AbortController();
const settings = (): never => {
  throw new Error('no settings are needed here');
};

describe('when site.yaml names a target', () => {
  it.each(targetNames)('gives %s', async (name) => {
    const target = await createTarget(name, { env: {}, root: '/nowhere', settings });
    expect(target.name).toBe(name);
  });

  it('asks an engine again that did not respond', async () => {
    const folder = scratch.fresh('bin');
    mkdirSync(folder);
    writeFileSync(join(folder, 'podman'), `#!/bin/sh\necho asked >> ${folder}/asked\nexit 1\n`);
    chmodSync(join(folder, 'podman'), 0o755);
    const target = await createTarget('podman', { env: { PATH: folder }, root: folder, settings });
    await expectCode(() => target.probe(signal), 'engine-failed');
    await expectCode(() => target.probe(signal), 'engine-failed');
    expect(readFileSync(join(folder, 'asked'), 'utf8').split('\n').length).toBeGreaterThan(2);
  });

  it('asks one that answered once', async () => {
    const engine = new FakeEngine();
    const target = createContainerTarget(engine);
    const first = await target.probe(signal);
    engine.probe = async () => ({ ...first, version: '2' }) as EngineFacts;
    expect(await target.probe(signal)).toBe(first);
  });
});
