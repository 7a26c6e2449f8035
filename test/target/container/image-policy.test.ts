import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { examineImagePolicy } from '../../../src/site/doctor/examine-host.ts';
import { policy } from '../../../src/target/container/constraints/engine.ts';
import { policyDefect } from '../../../src/target/container/image-policy.ts';
import { capture } from '../../lab/process.ts';
import { pushLayout, type Registry, startRegistry } from '../../lab/registry.ts';
import { tinyImage } from '../../lab/tiny-image.ts';
import { asking, packed } from '../../support/constraint-input.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder();
const accept = [{ type: 'insecureAcceptAnything' }];
const reject = [{ type: 'reject' }];
const signed = [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: '/dev/null' }];
let registry: Registry;

beforeAll(async () => {
  registry = await startRegistry(scratch.fresh('registry'));
  const image = await tinyImage(scratch.fresh('image'));
  await pushLayout(image.layout, image.tag, `${registry.host}/app:1`);
});

afterAll(() => registry.stop());

const policies: [string, object, string | undefined][] = [
  ['accepts everything', { default: accept }, undefined],
  ['rejects everything', { default: reject }, 'rejects all images'],
  ['wants signatures', { default: signed }, 'requires signedBy of all images'],
  [
    'rejects but for docker',
    { default: reject, transports: { docker: { '': accept } } },
    undefined,
  ],
  [
    'accepts but for docker',
    { default: accept, transports: { docker: { '': reject } } },
    'rejects all images',
  ],
  [
    'rejects but for another transport',
    { default: reject, transports: { oci: { '': accept } } },
    'rejects all images',
  ],
  [
    'rejects but for another registry',
    { default: reject, transports: { docker: { 'registry.example': accept } } },
    'rejects all images',
  ],
  [
    'rejects another registry',
    { default: accept, transports: { docker: { 'registry.example': reject } } },
    undefined,
  ],
];

describe('when podman has a policy for images', () => {
  it.each(policies)('that %s, skopeo pulls where nothing is found', async (_, text, defect) => {
    const folder = scratch.fresh('policy');
    const [path, source] = [`${folder}.json`, `docker://${registry.host}/app:1`];
    writeFileSync(path, JSON.stringify(text));
    const args = ['--policy', path, 'copy', '--src-tls-verify=false', source, `dir:${folder}`];
    expect((await capture('skopeo', args)).status === 0).toBe(defect === undefined);
    expect(policyDefect(JSON.stringify(text))).toBe(defect);
  });

  it.each(policies)('that %s, plan and doctor tell', async (_, text, defect) => {
    const home = '/home/op';
    const own = join(home, '.config/containers/policy.json');
    const files = { [own]: JSON.stringify(text), '/etc/containers/policy.json': '{}' };
    const base = {
      engine: 'podman',
      version: '4.3.1',
      systemd: false,
      rootless: true,
      names: true,
    };
    const asked = { to: [packed()], facts: { ...base, home }, host: { files } };
    const found = await policy(asking(asked));
    expect(found.map((each) => [each.rule, each.satisfied, each.found])).toEqual(
      defect === undefined ? [] : [['policy', false, `${own} ${defect}`]],
    );
    const read = async (path: string): Promise<string | undefined> =>
      files[path as keyof typeof files];
    const [finding] = await examineImagePolicy(home, read);
    expect(finding?.verdict).toBe(defect === undefined ? 'right' : 'doubt');
    expect(await policy(asking({ ...asked, facts: { ...base, engine: 'docker' } }))).toEqual([]);
  });

  it.each(['', '{', '[]', '{}', '{"default":[]}'])('of %j, it counts as unusable', (text) => {
    expect(policyDefect(text)).toBeDefined();
  });
});
