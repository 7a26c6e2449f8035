import { beforeAll, describe, expect, it } from 'vitest';
import { install } from '../../../src/site/applying/change-release.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { failed, fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import {
  type SmallBundle,
  type SmallBundleOptions,
  smallBundle,
} from '../../support/small-bundle.ts';

const scratch = scratchFolder(true);
/** The gateway stands first in the file and needs the chat server, which says by a command that it is ready. */
const services = [
  {
    name: 'gateway',
    image: 'server',
    dependsOn: ['chat'],
    mounts: [{ model: 'tiny', path: '/m' }],
  },
  {
    name: 'chat',
    image: 'server',
    mounts: [{ model: 'tiny', path: '/m' }],
    health: { server: 'command', command: ['/bin/ready'], startupSeconds: 5 },
  },
];
let one: SmallBundle;
let two: SmallBundle;

beforeAll(async () => {
  const make = (options: Partial<SmallBundleOptions>): Promise<SmallBundle> =>
    smallBundle({ place: scratch.fresh(), services, ...options });
  one = await make({});
  two = await make({ authority: one.authority, version: '2.0.0', seq: 2 });
});

describe('when a release whose services depend on one another is put back', () => {
  it('starts each when those it depends on are ready, as it does going forward', async () => {
    const target = fakeTarget();
    const heard: string[] = [];
    const options = { ...context(), site: new SiteFolder(scratch.fresh()), target };
    const { trust } = one;
    await install(one.folder, { ...options, trust });
    let fails = 1;
    let asked = 0;
    target.engine.hook = ({ method, subject }, moment) => {
      const name = subject.replace(/^stowage-[0-9a-f]{8}-chat-/, '');
      if (moment === 'after' || !method.endsWith('Service')) return;
      heard.push(`${method} ${name}`);
      asked = 0;
      if (method !== 'startService' || name !== 'gateway' || fails === 0) return;
      fails -= 1;
      throw failed('the new gateway does not start');
    };
    target.engine.inside = () => {
      asked += 1;
      heard.push('ask chat');
      return { status: asked > 1 ? 0 : 1, output: 'loading' };
    };
    await expectCode(() => install(two.folder, { ...options, trust }), 'rolled-back');
    const back = heard.slice(heard.lastIndexOf('startService chat'));
    expect(back.slice(0, 4)).toEqual([
      'startService chat',
      'ask chat',
      'ask chat',
      'startService gateway',
    ]);
    const id = await options.site.id();
    expect(Object.keys(target.engine.state().services)).toEqual([
      `stowage-${id}-chat-chat`,
      `stowage-${id}-chat-gateway`,
    ]);
  });
});
