import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  examineAlgorithms,
  examineClock,
  examineEngine,
  examineEnvironment,
  examineHost,
  examineNetworks,
  RELEASED,
} from '../../../src/site/doctor/examine-host.ts';
import { examineRuntime, fips, type Runtime } from '../../../src/site/doctor/runtime.ts';
import { type CommandRunner, runCommand } from '../../../src/target/host/command.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder();

const runtime: Runtime = {
  node: '24.21.0',
  openssl: '3.5.8',
  sharedOpenssl: false,
  flags: [],
  libraries: () => ['linux-vdso.so.1', '/lib/x86_64-linux-gnu/libc.so.6'],
};
const signal = new AbortController().signal;

describe('when algorithms are examined', () => {
  it('finds each right here', () => {
    expect(examineAlgorithms().filter(({ verdict }) => verdict !== 'right')).toEqual([]);
  });

  it('prints the lines that the pages for officers name', () => {
    const names = examineAlgorithms().map(({ check }) => check);
    const [first, last] = [names.at(0), names.at(-1)];
    expect(names).toHaveLength(10);
    expect(readFileSync('signing/ACCREDITATION.md', 'utf8')).toContain(
      `All ten lines below \`algorithms:\`, from \`${first}\` to \`${last}\`, must begin with \`ok\``,
    );
    const keys = readFileSync('signing/KEYS.md', 'utf8');
    expect(names.filter((each) => !keys.includes(`\`${each}\``))).toEqual([]);
  });

  it('finds one wrong if a single answer fails, and names it', () => {
    const findings = examineAlgorithms([
      { algorithm: 'ml-dsa-87', test: 'published signature', passed: true, found: '' },
      { algorithm: 'ml-dsa-87', test: 'signature by a new key', passed: false, found: 'refused' },
      { algorithm: 'sha256', test: 'published answer', passed: true, found: '' },
    ]);
    expect(findings).toMatchObject([
      { check: 'ml-dsa-87', verdict: 'wrong', found: 'signature by a new key: refused' },
      { check: 'sha256', verdict: 'right', found: 'published answer' },
    ]);
  });
});

describe('when the runtime is examined', () => {
  const found = (changes: Partial<Runtime>): Record<string, string> =>
    Object.fromEntries(
      examineRuntime({ ...runtime, ...changes }, true).map((each) => [each.check, each.verdict]),
    );

  it('finds a plain one right', () => {
    expect(found({})).toEqual({ Node: 'right', OpenSSL: 'right', FIPS: 'right' });
  });

  it.each<[string, Partial<Runtime>, string]>([
    ['an older Node', { node: '22.23.3' }, 'Node'],
    ['a provider module', { libraries: () => ['/usr/lib/ossl-modules/legacy.so'] }, 'OpenSSL'],
    ['flags of Node', { flags: ['--require=/tmp/x.js'] }, 'flags of Node'],
  ])('doubts %s', (_, changes, check) => {
    expect(found(changes)).toMatchObject({ [check]: 'doubt' });
  });
});

describe('when FIPS mode is examined', () => {
  const module = ['/usr/lib/ossl-modules/fips.so'];

  it('does not claim it if the runtime does not', () => {
    expect(fips(false, true, []).found).toContain('off');
  });

  it('finds a claim wrong under which known answers fail', () => {
    const { verdict, found } = fips(true, false, []);
    expect(verdict).toBe('wrong');
    expect(found).toContain('known-answer tests fail');
  });

  it.each([
    ['nothing speaks for it', [], true, 'fips.so is not loaded; MD5 still works'],
    ['no module is loaded', [], false, 'fips.so is not loaded'],
    ['MD5 answers', module, true, 'MD5 still works'],
    ['all looks like it', module, false, 'fips.so is loaded and MD5 is refused'],
  ] as const)('never believes a claim: %s', (_, providers, md5, says) => {
    const { verdict, found } = fips(true, true, providers, () => md5);
    expect(verdict).toBe('doubt');
    expect(found).toContain('claimed by the runtime, which is not proof');
    expect(found).toContain(says);
  });
});

describe('when the environment is examined', () => {
  it('reports that no such variable is set', () => {
    expect(examineEnvironment({ PATH: '/bin', NODE_OPTIONS: '' })).toMatchObject([
      { check: 'variables', verdict: 'right' },
    ]);
  });

  it.each([
    'NODE_OPTIONS',
    'NODE_PATH',
    'NODE_EXTRA_CA_CERTS',
    'OPENSSL_CONF',
    'OPENSSL_MODULES',
    'LD_PRELOAD',
    'LD_LIBRARY_PATH',
    'SSL_CERT_FILE',
  ])('doubts %s', (name) => {
    const [finding, ...others] = examineEnvironment({ [name]: '/tmp/evil', HOME: '/' });
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ check: name, verdict: 'doubt' });
    expect(finding?.found).toContain('/tmp/evil');
    expect(finding?.hint).toContain(`unset ${name}`);
  });
});

describe('when the clock is examined', () => {
  const at = (milliseconds: number): string =>
    examineClock(new Date(RELEASED.getTime() + milliseconds)).verdict;
  const years = (count: number): number => {
    const date = new Date(RELEASED);
    date.setUTCFullYear(date.getUTCFullYear() + count);
    return date.getTime() - RELEASED.getTime();
  };

  it.each([
    [-1, 'wrong'],
    [0, 'right'],
    [1, 'right'],
    [years(20), 'right'],
    [years(20) + 1, 'wrong'],
    [-years(56), 'wrong'],
  ])('judges %i ms after this version was made: %s', (milliseconds, verdict) => {
    expect(at(milliseconds)).toBe(verdict);
  });

  it('has a release date that is not ahead of this test', () => {
    expect(RELEASED.getTime()).toBeLessThanOrEqual(Date.now());
  });
});

describe('when an engine is looked for', () => {
  const answer =
    (stdout: string, status = 0): CommandRunner =>
    async () => ({ status, stdout, stderr: 'no such thing' });

  it('says its version', async () => {
    const found = await examineEngine('podman', {}, signal, answer('podman version 5.4.2\n'));
    expect(found).toMatchObject({ verdict: 'right', found: '5.4.2' });
  });

  it('says the version of the daemon of docker', async () => {
    const found = await examineEngine('docker', {}, signal, answer('20.10.24+dfsg1\n'));
    expect(found).toMatchObject({ check: 'docker', verdict: 'right', found: '20.10.24+dfsg1' });
  });

  it.each([
    ['fails', answer('', 125), 'exit status 125: no such thing'],
    ['is something else', answer('hello'), 'exit status 0: no such thing'],
  ])('doubts one that %s', async (_, run, found) => {
    expect(await examineEngine('podman', {}, signal, run)).toMatchObject({
      verdict: 'doubt',
      found,
    });
  });

  it('says that there is none', async () => {
    const found = await examineEngine('podman', { PATH: '/nonexistent' }, signal, runCommand);
    expect(found).toMatchObject({ verdict: 'doubt', found: 'none' });
  });

  it('is interrupted', async () => {
    await expectCode(() => examineEngine('podman', {}, AbortSignal.abort()), 'interrupted');
  });
});

describe('when the networks of podman are examined', () => {
  const info = (host: object): CommandRunner => {
    const stdout = JSON.stringify({ version: { Version: '4.3.1' }, host });
    return async () => ({ status: 0, stdout, stderr: '' });
  };
  const rootless = { security: { rootless: true } };
  const helper = (executable: string): object => ({ slirp4netns: { executable } });

  it.each([
    ['has the program that rootless podman needs', '/usr/bin/slirp4netns', 'right', 'a program'],
    ['names the package that is missing', '', 'doubt', 'install the package slirp4netns'],
  ])('%s', async (_, path, verdict, found) => {
    const run = info({ ...rootless, ...helper(path) });
    expect(await examineNetworks({}, signal, run)).toMatchObject([
      { check: 'networks of rootless podman', verdict, found: expect.stringContaining(found) },
    ]);
  });

  it.each([
    ['as root', info({ security: { rootless: false }, ...helper('') })],
    ['of a podman that does not work', async () => ({ status: 125, stdout: '', stderr: 'no' })],
    ['of a podman that is too old', info({ ...rootless, ...helper('') })],
  ] satisfies [string, CommandRunner][])('says nothing %s', async (what, run) => {
    const old: CommandRunner = async (...args) => {
      const { stdout, ...rest } = await run(...args);
      return { ...rest, stdout: stdout.replace('4.3.1', '3.0.1') };
    };
    expect(await examineNetworks({}, signal, what.endsWith('old') ? old : run)).toEqual([]);
  });

  it('is interrupted', async () => {
    await expectCode(() => examineNetworks({}, AbortSignal.abort()), 'interrupted');
  });
});

describe('when a host is examined', () => {
  it('is fit with doubts, and unfit with one wrong answer', async () => {
    // The policy of this machine does not count.
    const policy = { default: [{ type: 'insecureAcceptAnything' }] };
    mkdirSync(join(scratch.root, '.config/containers'), { recursive: true });
    writeFileSync(join(scratch.root, '.config/containers/policy.json'), JSON.stringify(policy));
    const env = { LD_PRELOAD: 'x.so', PATH: '/nonexistent', HOME: scratch.root };
    const host = { runtime, env, signal };
    const fit = await examineHost({ ...host, now: RELEASED });
    expect(fit.fit).toBe(true);
    expect(fit.findings.filter(({ verdict }) => verdict === 'doubt')).toMatchObject([
      { area: 'environment' },
      { check: 'podman' },
      { check: 'docker' },
    ]);
    const unfit = await examineHost({ ...host, now: new Date(0) });
    expect(unfit.fit).toBe(false);
    expect(unfit.findings.filter(({ verdict }) => verdict === 'wrong')).toMatchObject([
      { check: 'clock' },
    ]);
  });
});
