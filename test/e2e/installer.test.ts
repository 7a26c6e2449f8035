import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noticesText, packageNotices } from '../../scripts/build/notices.ts';
import { installerCode } from '../../scripts/installer/code.ts';
import { partsOf } from '../../scripts/installer/components.ts';
import { makeBlob, makeExecutable } from '../../scripts/installer/executable.ts';
import { platforms } from '../../scripts/installer/platforms.ts';
import { runtime, runtimeNotice } from '../../scripts/installer/runtime.ts';
import { sriHex } from '../../src/core/digest.ts';
import { MIB } from '../../src/core/limits.ts';
import { readJson } from '../../src/format/document.ts';
import { componentsPath, installerComponentsKind } from '../../src/format/installer.ts';
import { encodePem } from '../../src/trust/pem.ts';
import { isolatedEngine } from '../lab/engine.ts';
import { capture, type Output, run } from '../lab/process.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';

const project = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const built = join(project, 'dist/installer');
const x64 = join(built, 'stowage-linux-x64');
const arm64 = join(built, 'stowage-linux-arm64');
const work = mkdtempSync(join(tmpdir(), 'stowage-installer-e2e-'));
const root = join(work, 'ROOT.pem');
let bundle: SmallBundle;
let small: SmallBundle;

beforeAll(async () => {
  if (!existsSync(arm64)) await run('npm', ['run', 'build:installer'], { cwd: project });
  bundle = await smallBundle({
    place: work,
    platform: 'linux/amd64',
    services: [],
    weights: 24 * MIB,
    partSize: 8 * MIB,
    installer: built,
  });
  small = await smallBundle({ place: join(work, 'small'), authority: bundle.authority });
  writeFileSync(root, encodePem('CERTIFICATE', bundle.root.der));
});

afterAll(() => rmSync(work, { recursive: true, force: true }));

const plain = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', HOME: work };

/** Runs the installer with only these variables in its environment. */
const installer = (args: readonly string[], env: object = {}): Promise<Output> =>
  capture(x64, args, { env: { ...plain, ...env }, cwd: work });

const verifyArgs = ({ folder } = bundle): string[] => ['verify', folder, '--trust', root, '--json'];
const sha512 = async (path: string): Promise<string> =>
  (await run('sha512sum', [path])).slice(0, 128);

describe('when the installer is inspected as a file', () => {
  it.each([
    ['x64', x64],
    ['arm64', arm64],
  ])('needs at most glibc 2.28, and no unusual libraries: %s', async (_, path) => {
    const versions = await run('x86_64-linux-gnu-readelf', ['--version-info', '--wide', path]);
    const needs = [...versions.matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => [
      Number(major),
      Number(minor),
    ]);
    expect(needs.length).toBeGreaterThan(5);
    for (const [major, minor] of needs)
      expect((major ?? 9) * 100 + (minor ?? 99)).toBeLessThan(229);
    const dynamic = await run('x86_64-linux-gnu-readelf', ['--dynamic', '--wide', path]);
    const libraries = [...dynamic.matchAll(/NEEDED.*\[(.*?)\]/g)].map((match) => match[1] ?? '');
    const usual = /^(?:ld-linux-.*|lib(?:c|m|dl|pthread|gcc_s|stdc\+\+))\.so\.\d$/;
    expect(libraries.filter((each) => !usual.test(each))).toEqual([]);
    expect(await run('x86_64-linux-gnu-readelf', ['--sections', '--wide', path])).not.toContain(
      '.symtab',
    );
  });

  it('contains the licenses of Stowage, of its packages, and of Node with its libraries', async () => {
    const { status, stdout } = await installer(['help', 'licenses']);
    expect(status).toBe(0);
    for (const title of [/^Stowage .*, Apache-2\.0$/m, /^zod .*, MIT$/m, /^Node\.js .*, MIT$/m])
      expect(stdout).toMatch(title);
    expect(stdout).toContain('- OpenSSL, located at deps/openssl, is licensed as follows:');
  });

  it('is reproducible in another folder', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'stowage-elsewhere-'));
    try {
      cpSync(join(project, 'src'), join(elsewhere, 'src'), { recursive: true });
      mkdirSync(join(elsewhere, 'node_modules'));
      for (const name of ['package.json', 'tsconfig.json'])
        cpSync(join(project, name), join(elsewhere, name));
      // Copies, because esbuild resolves symbolic links.
      const packages = readdirSync(join(project, 'node_modules'))
        .filter((name) => !/^(?:\.|node$|typescript$|@typescript|@biomejs|@esbuild)/.test(name))
        .map((name) => join(project, 'node_modules', name));
      await run('cp', ['--archive', ...packages, join(elsewhere, 'node_modules')]);
      const code = await installerCode(elsewhere);
      const notices = [...packageNotices(elsewhere, code.inputs), await runtimeNotice(project)];
      const blob = makeBlob(code, noticesText(project, notices), elsewhere);
      for (const [name, platform] of Object.entries(platforms)) {
        const again = join(elsewhere, name);
        makeExecutable(platform, await runtime(platform, project), blob, again);
        expect(await sha512(again), name).toBe(await sha512(join(built, `stowage-${name}`)));
        rmSync(again);
      }
    } finally {
      rmSync(elsewhere, { recursive: true, force: true });
    }
  });
});

describe('when the installer runs', () => {
  it('offers only the commands for sites', async () => {
    const { status, stdout } = await installer(['help', 'commands']);
    expect(status).toBe(0);
    for (const name of ['verify', 'install', 'rollback', 'trust', 'doctor'])
      expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    expect(stdout).not.toMatch(/^ {2}(?:init|lock|pack)\b/m);
    expect(await installer(['pack'])).toMatchObject({ status: 2 });
  });

  it('records its own digest in a report', async () => {
    const report = join(work, 'report.json');
    const page = join(work, 'report.html');
    const { status } = await installer([...verifyArgs(), '--report', report, '--report', page]);
    expect(status).toBe(0);
    const { tool } = JSON.parse(readFileSync(report, 'utf8')) as { tool: { sha512: string } };
    expect(tool.sha512).toBe(await sha512(x64));
    expect(readFileSync(page, 'utf8')).toContain('on the program file');
    expect(bundle.bundle.installers?.map(({ path }) => path)).toEqual(['stowage-linux-x64']);
    expect(readFileSync(join(bundle.folder, 'SHA512SUMS'), 'utf8')).toContain(tool.sha512);
  });

  it('hashes in worker threads, whose code it contains', async () => {
    // Only threads that the program starts count; those of V8 and libuv exist from the beginning.
    const log = join(work, 'threads');
    const idle = await threadsOf(['--version'], log);
    const busy = await threadsOf(verifyArgs(), log);
    expect(busy - idle).toBeGreaterThanOrEqual(1);
  });

  it('runs as a user whom no database knows, without a home folder', async () => {
    const own = mkdtempSync(join(tmpdir(), 'stowage-nobody-'));
    try {
      const program = join(own, 'stowage');
      cpSync(x64, program);
      for (const path of [own, program]) chmodSync(path, 0o755);
      const as = [
        '--reuid=41234',
        '--regid=41234',
        '--clear-groups',
        'env',
        '--ignore-environment',
      ];
      for (const args of [['version'], ['status', '--site', join(own, 'site')]]) {
        const { status, stderr } = await capture('setpriv', [...as, program, ...args], {
          cwd: '/',
        });
        expect(stderr).not.toContain('homedir');
        expect(status, stderr).toBe(args[0] === 'version' ? 0 : 1);
      }
    } finally {
      rmSync(own, { recursive: true, force: true });
    }
  });

  it('refuses a bundle with one flipped bit in a part, and reports where', async () => {
    const place = join(work, 'flipped');
    await run('cp', ['--archive', '--link', bundle.folder, place]);
    const part = join(
      place,
      bundle.bundle.blobs.find((blob) => blob.parts.length > 1)?.parts[2]?.path ?? '',
    );
    const bytes = readFileSync(part);
    bytes[5_000_000] = (bytes[5_000_000] ?? 0) ^ 1;
    rmSync(part);
    writeFileSync(part, bytes);
    const { status, stdout } = await installer(['verify', place, '--trust', root, '--json']);
    expect(status).toBe(10);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'part-damaged', found: expect.stringContaining('4194304-8388607') },
    });
  });
});

/** The number of threads that the installer started, from its system calls. */
async function threadsOf(args: readonly string[], log: string): Promise<number> {
  await run('strace', ['-f', '-e', 'trace=clone,clone3', '-o', log, x64, ...args], {
    env: plain,
    cwd: work,
  });
  return readFileSync(log, 'utf8').split('CLONE_THREAD').length - 1;
}

const LEGACY = `nodejs_conf = init
openssl_conf = init
[init]
providers = providers
[providers]
default = on
hostile = module
[on]
activate = 1
[module]
module = MODULE
activate = 1
`;

describe('when the environment of the installer is hostile (attack 113)', () => {
  const mark = join(work, 'mark');
  const hostile = (): NodeJS.ProcessEnv => {
    const module = join(work, 'hostile.cjs');
    writeFileSync(module, `require('node:fs').writeFileSync(${JSON.stringify(mark)}, '');`);
    const conf = join(work, 'hostile.cnf');
    writeFileSync(
      conf,
      'nodejs_conf = a\nopenssl_conf = a\n[a]\nproviders = b\n[b]\nbase = c\n[c]\nactivate = 1\n',
    );
    return {
      NODE_OPTIONS: `--require=${module}`,
      NODE_PATH: work,
      NODE_EXTRA_CA_CERTS: root,
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      NODE_DEBUG: 'fs,module,worker',
      NODE_ICU_DATA: work,
      NODE_PENDING_DEPRECATION: '1',
      NODE_REDIRECT_WARNINGS: join(work, 'warnings'),
      OPENSSL_CONF: conf,
      OPENSSL_MODULES: work,
      OPENSSL_ENGINES: work,
      SSL_CERT_FILE: root,
      SSL_CERT_DIR: work,
      SSLKEYLOGFILE: join(work, 'keys'),
      UV_THREADPOOL_SIZE: '1',
    };
  };

  /** The output without times and progress. */
  const steady = <T extends { readonly stderr: string }>(ran: T): T => ({
    ...ran,
    stderr: ran.stderr.replace(/^.*"type":"progress".*\n/gm, '').replace(/"time":"[^"]*"/g, ''),
  });

  it('would affect plain Node', async () => {
    const { NODE_OPTIONS = '', OPENSSL_CONF = '' } = hostile();
    const hash = ['-e', "require('node:crypto').createHash('sha512')"];
    await capture(process.execPath, ['-e', '0'], { env: { ...plain, NODE_OPTIONS } });
    expect(existsSync(mark)).toBe(true);
    rmSync(mark);
    const bent = spawnSync(process.execPath, hash, { env: { ...plain, OPENSSL_CONF } });
    expect(bent.status).not.toBe(0);
  });

  it('has no effect, one by one and all at once', async () => {
    const calm = await installer(verifyArgs(small));
    expect(calm.status).toBe(0);
    const all = hostile();
    const each = Object.entries(all).map(([name, value]) => ({ [name]: value }));
    for (const env of [...each, all]) {
      const bent = await installer(verifyArgs(small), env);
      expect({ ...steady(bent), env }).toEqual({ ...steady(calm), env });
    }
    for (const path of [mark, join(work, 'warnings'), join(work, 'keys')])
      expect(existsSync(path), path).toBe(false);
  });

  it('loads no provider that a configuration of OpenSSL names, as Node does', async () => {
    const conf = join(work, 'legacy.cnf');
    const found = await run('sh', ['-c', 'ls /usr/lib/*/ossl-modules/legacy.so']);
    writeFileSync(conf, LEGACY.replace('MODULE', found.trim()));
    const opened = async (...command: readonly string[]): Promise<string> => {
      const log = join(work, 'opened');
      const trace = ['-f', '-e', 'trace=openat', '-o', log, ...command];
      await run('strace', trace, { env: { ...plain, OPENSSL_CONF: conf } });
      return readFileSync(log, 'utf8');
    };
    expect(await opened(process.execPath, '-e', '0')).toContain('legacy.so');
    expect(await opened(x64, '--version')).not.toContain('legacy');
    const { stdout } = await installer(['doctor', '--json'], { OPENSSL_CONF: conf });
    const { findings } = JSON.parse(stdout) as { findings: { check: string; found: string }[] };
    expect(findings.find(({ check }) => check === 'OpenSSL')?.found).toContain(
      'no provider module',
    );
    expect(findings.map(({ check }) => check)).not.toContain('flags of Node');
  });

  it('remains the same process, with its exit status and signals', async () => {
    const refused = ['verify', work, '--trust', root];
    const { status } = await installer(refused, { NODE_OPTIONS: '--inspect' });
    expect(status).toBe((await installer(refused)).status);
    const child = spawn(x64, ['trust', 'show', '/dev/stdin'], {
      env: { ...plain, NODE_OPTIONS: '--inspect' },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const pid = child.pid ?? 0;
    await untilClean(pid);
    child.kill('SIGKILL');
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
    expect(signal).toBe('SIGKILL');
  });

  it('requires a clean environment for a descriptor, because it could not pass it on', async () => {
    const args = ['sign', bundle.folder, '--passphrase-fd', '3'];
    const { status, stderr } = await installer(args, { NODE_OPTIONS: '--inspect' });
    expect(status).toBe(2);
    expect(stderr).toMatch(/NODE_OPTIONS is set.*\n {2}hint: unset NODE_OPTIONS/);
  });
});

/** Waits until a process no longer has NODE_OPTIONS: it became the same program without. */
async function untilClean(pid: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const env = readFileSync(`/proc/${pid}/environ`, 'latin1');
    if (env !== '' && !env.includes('NODE_OPTIONS')) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('the installer kept its environment');
}

describe('when the three lines of README.txt are typed', () => {
  /** Commands that write the bundle to a medium and mount it, in a separate mount namespace. */
  const media: [string, string][] = [
    [
      'ext4, read-only and noexec',
      'mke2fs -q -t ext4 -d "$BUNDLE" "$IMAGE"; mount -o loop,ro,noexec "$IMAGE" "$MEDIUM"',
    ],
    [
      'FAT, which has no modes',
      `mkfs.vfat -F 32 "$IMAGE" >/dev/null
       fat() { fusefat -f -o "$1" "$IMAGE" "$MEDIUM" >/dev/null 2>&1 & until mountpoint -q "$MEDIUM"; do sleep 0.1; done; }
       fat rw+; cp -r "$BUNDLE"/. "$MEDIUM"; umount "$MEDIUM"; wait
       fat ro,noexec`,
    ],
  ];

  it.each(media)('installs from %s', async (name, mounting) => {
    const place = mkdtempSync(join(work, 'medium-'));
    const engine = isolatedEngine(join(place, 'engine'));
    const text = readFileSync(join(bundle.folder, 'README.txt'), 'utf8');
    const lines = [...text.matchAll(/^ {4}(.*)$/gm)].map((match) => match[1] ?? '');
    expect(lines).toHaveLength(5);
    const typed = lines
      .join('\n')
      .replace('/path/to/ROOT.pem', root)
      .replace('digits-on-the-paper', bundle.root.fingerprint);
    const script = `set -e
      mount -t tmpfs tmpfs /usr/local/bin
      truncate -s 400M "$IMAGE"
      ${mounting}
      cd "$MEDIUM"
      ! ./stowage-linux-x64 --version 2>/dev/null
      ! touch x 2>/dev/null
      ${typed}
      "$STOWAGE_ROOT"/bin/stowage --version
      cd /
      umount "$MEDIUM"
      wait`;
    mkdirSync(join(place, 'medium'));
    try {
      const ran = spawnSync('unshare', ['--mount', 'bash', '-c', script], {
        encoding: 'utf8',
        env: {
          ...plain,
          ...engine.env,
          BUNDLE: bundle.folder,
          IMAGE: join(place, 'image'),
          MEDIUM: join(place, 'medium'),
          STOWAGE_ROOT: join(place, 'site'),
        },
      });
      expect(ran.stderr + ran.stdout, name).toContain('stowage-linux-x64: OK');
      expect({ status: ran.status, stderr: ran.status === 0 ? '' : ran.stderr }).toEqual({
        status: 0,
        stderr: '',
      });
      expect(ran.stdout.trim().split('\n').at(-1)).toBe('0.1.0');
      expect(readdirSync(join(place, 'site/bin'))).toEqual(['stowage']);
      expect(await sha512(join(place, 'site/bin/stowage'))).toBe(await sha512(x64));
    } finally {
      await engine.destroy();
      rmSync(place, { recursive: true, force: true });
    }
  });
});

describe('when the machine is an arm64', () => {
  const qemu = (args: readonly string[]): Promise<string> =>
    run('qemu-aarch64-static', ['-L', '/usr/aarch64-linux-gnu', arm64, ...args], { env: plain });

  it('prints its version, and verifies a bundle', async () => {
    expect(await qemu(['--version'])).toBe('0.1.0\n');
    expect(JSON.parse(await qemu(verifyArgs(small)))).toMatchObject({
      verified: true,
      id: small.id,
    });
  });

  it('has a Node with the components that the list next to the installer names', async () => {
    const pinned = platforms['linux-arm64'];
    if (pinned === undefined) throw new Error('no platform');
    const node = await runtime(pinned, project);
    const said = await run('qemu-aarch64-static', [
      ...['-L', '/usr/aarch64-linux-gnu', node],
      ...['--print', 'JSON.stringify(process.versions)'],
    ]);
    const list = readJson(installerComponentsKind, readFileSync(componentsPath(arm64)));
    expect(partsOf(JSON.parse(said) as Record<string, string>)).toEqual(list.runtime.parts);
    expect(sriHex(list.sha512)).toBe(await sha512(arm64));
  });
});
