import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trustFingerprint } from '../../src/bundle/admission/trust-files.ts';
import { signBundle } from '../../src/bundle/signing/sign.ts';
import { writeCanonical } from '../../src/format/document.ts';
import { trustKind } from '../../src/format/trust.ts';
import { encodePem } from '../../src/trust/pem.ts';
import { until } from '../lab/process.ts';
import { byHand, textOf } from '../support/by-hand.ts';
import { type Authority, makeAuthority } from '../support/small-bundle.ts';
import { type CliOptions, type Ran, stowage } from './cli.ts';
import { answerOf, optionalManifest, sizes, writeOptionalContent } from './optional-release.ts';

/** Where the sites of the suite run their containers. */
export interface PartsEngine extends Pick<CliOptions, 'env' | 'through'> {
  /** The answer of a service at a published port; undefined if nothing listens there. */
  answer(port: number): Promise<string | undefined>;
  /** The names of all containers, also of stopped ones. */
  containers(): Promise<readonly string[]>;
  destroy(): Promise<void>;
}

/**
 * One signed release with a small and a large model, and sites of three sizes on one engine.
 * @param start starts the engine in a folder that does not exist
 */
export function optionalPartsSuite(
  target: 'podman' | 'docker',
  start: (folder: string) => Promise<PartsEngine>,
): void {
  const work = mkdtempSync(join(tmpdir(), 'sp-'));
  const at = (...names: readonly string[]): string => join(work, ...names);
  const sites = { all: 18_340, small: 18_350, large: 18_360 } as const;
  type SiteName = keyof typeof sites;

  let engine: PartsEngine;
  let authority: Authority;

  beforeAll(async () => {
    engine = await start(at('e'));
    authority = makeAuthority();
    await writeOptionalContent(work);
    writeFileSync(at('trust.json'), writeCanonical(trustKind, authority.trust));
    writeFileSync(at('root.pem'), encodePem('CERTIFICATE', authority.root.der));
    for (const [name, port] of Object.entries(sites)) {
      mkdirSync(at(name));
      choose(name as SiteName, name === 'all' ? 'all' : `[${name}]`, port);
    }
    writeManifest('1.0.0');
    await must(engineer('check', 'chat.yaml'));
    await must(engineer('lock', 'chat.yaml'));
    await pack('whole');
    await pack('reduced', '--without', 'large');
  });

  afterAll(async () => {
    await engine?.destroy();
    rmSync(work, { recursive: true, force: true });
  });

  const writeManifest = (version: string): void =>
    writeFileSync(at('chat.yaml'), optionalManifest(version));

  function choose(site: SiteName, parts: string, port: number = sites[site]): void {
    const parameters = `{ chat: { smallPort: ${port}, largePort: ${port + 1} } }`;
    writeFileSync(
      at(site, 'site.yaml'),
      `apiVersion: stowage/v1\nname: ${site}\ntarget: ${target}\nparameters: ${parameters}\nwith: { chat: ${parts} }\n`,
    );
  }

  const engineer = (...args: readonly string[]): Promise<Ran> =>
    stowage({ cwd: work, env: { STOWAGE_STORE: at('store') } }, ...args);

  const run = (site: SiteName, ...args: readonly string[]): Promise<Ran> => {
    const { env, through = [] } = engine;
    const settings = { ...env, STOWAGE_ROOT: '', STOWAGE_SITE: at(site) };
    return stowage({ cwd: work, env: settings, through }, ...args);
  };

  async function must(running: Promise<Ran>): Promise<Ran> {
    const ran = await running;
    expect(ran.status, `${ran.stdout}${ran.stderr}`).toBe(0);
    return ran;
  }

  /** A copy of the bundle has its signatures: they are over one list, whatever was left out. */
  async function pack(name: string, ...options: readonly string[]): Promise<Ran> {
    const made = await must(
      engineer('pack', 'chat.yaml', '--no-installer', '--output', name, ...options),
    );
    if (name === 'whole') await signBundle(at(name), 'release', authority.signer, new Date());
    else cpSync(at('whole', 'signatures'), at(name, 'signatures'), { recursive: true });
    return made;
  }

  const trusted = (): string[] => [
    ...['--trust', at('trust.json')],
    ...['--fingerprint', trustFingerprint(authority.trust)],
  ];

  /** The sizes of the models that the services of a site answer with. */
  async function serves(site: SiteName, small: boolean, large: boolean): Promise<void> {
    const expected = [
      small ? answerOf(work, 'small') : undefined,
      large ? answerOf(work, 'large') : undefined,
    ];
    let found: (string | undefined)[] = [];
    await until(`the services of site ${site}`, 20, async () => {
      found = [await engine.answer(sites[site]), await engine.answer(sites[site] + 1)];
      return JSON.stringify(found) === JSON.stringify(expected) ? true : undefined;
    }).catch(() => undefined);
    expect(found).toEqual(expected);
  }

  describe(`when one signed release with optional parts is for sites on ${target}`, {
    timeout: 240_000,
  }, () => {
    it('has one list and one signature, with the parts and without them', async () => {
      const list = (name: string): Buffer => readFileSync(at(name, 'SHA512SUMS'));
      expect(list('reduced')).toEqual(list('whole'));
      const text = textOf(at('reduced'))
        .replace('--quiet', '--quiet --ignore-missing')
        .replace('comm -3', 'comm -13');
      const { status, shown } = await byHand(at('reduced'), text, at('root.pem'));
      expect(status, shown).toBe(0);
      const whole = await byHand(at('whole'), textOf(at('whole')), at('root.pem'));
      expect(whole.status, whole.shown).toBe(0);
      const partial = await must(
        engineer('verify', 'reduced', '--partial', '--trust', at('trust.json')),
      );
      expect(partial.json).toMatchObject({
        complete: false,
        optionalAbsent: ['model/large', 'service/large'],
      });
      expect(partial.json.absentBytes).toBeGreaterThan(sizes.large);
      const refused = await engineer('verify', 'reduced', '--trust', at('trust.json'));
      expect(refused.stderr).toContain('part-missing');
    });

    it('is run by each of three sites with the parts that it chose', async () => {
      const whole = await must(run('all', 'install', 'whole', ...trusted()));
      expect(whole.stderr).not.toContain('left-out');
      await must(run('small', 'install', 'reduced', ...trusted()));
      await must(run('large', 'install', 'whole', ...trusted()));
      await serves('all', true, true);
      await serves('small', true, false);
      await serves('large', false, true);
      for (const [site, parts] of [
        ['all', undefined],
        ['small', ['model/large', 'service/large']],
        ['large', ['model/small', 'service/small']],
      ] as const) {
        const { leftOut } = (await must(run(site, 'status'))).json;
        expect(leftOut).toMatchObject(parts === undefined ? [] : [{ release: 'chat', parts }]);
      }
      const containers = await engine.containers();
      expect(containers.filter((each) => each.includes('-chat-'))).toHaveLength(4);
      const stored = await must(run('large', 'store', 'verify'));
      expect(stored.status).toBe(0);
    });

    it('says what is not there, and completes it later', async () => {
      choose('small', '[small, large]');
      const plan = await run('small', 'plan', 'chat');
      expect(plan.status).toBe(4);
      const failed = plan.json.plan.constraints.filter(
        (each: { satisfied: boolean }) => !each.satisfied,
      );
      expect(failed).toMatchObject([{ rule: 'parts' }]);
      expect(failed[0].found).toContain('model/large, service/large');
      const refused = await run('small', 'install', 'chat');
      expect(refused.stderr).toContain('host-unfit');
      const incomplete = await run('small', 'import', 'reduced');
      expect(incomplete.status).toBe(1);
      await serves('small', true, false);
      const list = await must(run('small', 'repair-list', 'chat', '--output', at('list.json')));
      await must(engineer('pack', '--only', list.json.file, '--from', 'whole', '--output', 'rest'));
      const completed = await must(run('small', 'import', 'rest'));
      expect(completed.json).toMatchObject({ complete: true });
      expect(completed.json).not.toHaveProperty('leftOut');
      await must(run('small', 'install', 'chat'));
      await serves('small', true, true);
      await must(run('small', 'rollback'));
      await serves('small', true, false);
    });

    it('refuses names that are those of no optional part', async () => {
      choose('large', '[large, server]');
      const required = await run('large', 'import', 'whole');
      expect(required.stderr).toContain('site-invalid');
      expect(required.stderr).toContain('image/server is not optional: every site has it');
      choose('large', '[large]');
      const unknown = await run('large', 'import', 'whole', '--only', 'lage');
      expect(unknown.stderr).toContain('part-unknown');
      const packed = await engineer(
        ...['pack', 'chat.yaml', '--no-installer', '--output', 'no', '--without', 'server'],
      );
      expect(packed.stderr).toContain('part-unknown');
    });

    it('is passed on, and added to, by what a site has', async () => {
      const refused = await run('large', 'export', 'chat', '--to', at('out'));
      expect(refused.stderr).toContain('bundle-incomplete');
      expect(refused.stderr).toContain('--without model/small --without service/small');
      await must(run('large', 'export', 'chat', '--to', at('out'), '--without', 'small'));
      const found = await must(engineer('inspect', 'out', '--trust', at('trust.json')));
      expect(found.json.partsAbsent).toBeGreaterThan(0);

      const receipt = await must(run('large', 'receipt', 'write'));
      const shown = await must(run('large', 'receipt', 'show', receipt.json.file));
      expect(shown.json.receipt.holds.bundles[0].parts).toEqual(['model/large', 'service/large']);
      writeManifest('1.1.0');
      await must(engineer('lock', 'chat.yaml'));
      await must(engineer('pack', 'chat.yaml', '--no-installer', '--output', 'next'));
      await signBundle(at('next'), 'release', authority.signer, new Date());
      const increment = await must(
        engineer(
          ...['split', 'next', '--for', receipt.json.file, '--output', 'increment'],
          ...['--fingerprint', shown.json.fingerprint],
        ),
      );
      const { bytes, total } = increment.json.increment;
      expect(total - bytes).toBeGreaterThan(sizes.large);
      expect(total - bytes).toBeLessThan(total - sizes.small);
      await must(run('large', 'install', 'increment'));
      await serves('large', false, true);
      const { status, stderr } = await run('all', 'install', 'increment');
      expect(status, stderr).toBe(0);
      await serves('all', true, true);
      for (const site of ['all', 'small', 'large'] as const)
        await must(run(site, 'uninstall', 'chat'));
      expect(await engine.containers()).toEqual([]);
    });
  });
}
