import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { install } from '../../../src/site/applying/change-release.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context } from '../../support/context.ts';
import { commandsOfGuide } from '../../support/documents.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { fakeHost } from '../../support/fake-host.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { SMALL_SERVICE, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder(true);

describe('when an operator writes site.yaml as OPERATOR.txt says', () => {
  it('installs a release that requires values and secrets with that and the operator’s values', async () => {
    const made = await smallBundle({
      place: scratch.fresh(),
      parameters: {
        region: { type: 'string', description: 'where it runs' },
        port: { type: 'integer', default: 8080, description: 'port on the host' },
        replicas: { type: 'integer', description: 'how many' },
      },
      secrets: { 'api-key': { description: 'key of clients' }, token: { description: 'a token' } },
      services: [
        {
          ...SMALL_SERVICE,
          env: { REGION: '${parameters.region}', N: '${parameters.replicas}' },
          secrets: [
            { secret: 'api-key', path: '/run/secrets/api-key' },
            { secret: 'token', path: '/run/secrets/token' },
          ],
          ports: [{ name: 'http', container: 80, host: '${parameters.port}' }],
        },
      ],
    });
    const site = new SiteFolder(scratch.fresh('site'));
    const options = {
      ...context(),
      site,
      target: fakeTarget(),
      host: fakeHost({}),
      trust: made.trust,
    };
    // As after the import: what is missing is told at once, and nothing else.
    const missing = await expectCode(() => install(made.folder, options), 'site-invalid');
    expect(missing.defects).toHaveLength(4);

    const guide = readFileSync(join(made.folder, 'OPERATOR.txt'), 'latin1');
    const steps = commandsOfGuide(guide).filter(({ heading }) => heading.startsWith('6. '));
    mkdirSync(site.root, { recursive: true });
    for (const { commands } of steps.slice(1)) {
      const command = `SITE='${site.root}'; ${commands.join('\n')}`;
      const typed = { input: 'hunter2\n', cwd: made.folder, encoding: 'utf8' } as const;
      // A command that reads the value of a secret gets it from the keyboard.
      const { status, stderr } = spawnSync('bash', ['-c', command], typed);
      expect([command, status, stderr]).toEqual([command, 0, '']);
    }
    const written = readFileSync(site.file, 'utf8');
    writeFileSync(
      site.file,
      written
        .replace('# region: A-VALUE', 'region: "north"')
        .replace('# replicas: A-VALUE', 'replicas: 2'),
    );
    for (const secret of ['api-key', 'token'])
      expect(statSync(site.path('secrets/chat', secret)).mode & 0o777).toBe(0o600);

    const { plan } = await install(made.folder, options);
    expect(plan.constraints.filter(({ satisfied }) => !satisfied)).toEqual([]);
    expect(plan.to.releases.map(({ name }) => name)).toEqual(['chat']);
    const workload = JSON.stringify(plan.to.releases[0]?.workload);
    expect(workload).toContain('"REGION":"north"');
    expect(workload).toContain('"N":"2"');
    expect(workload).not.toContain('hunter2');
  });
});
