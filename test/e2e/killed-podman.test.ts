import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trustFingerprint } from '../../src/bundle/admission/trust-files.ts';
import { writeCanonical } from '../../src/format/document.ts';
import { trustKind } from '../../src/format/trust.ts';
import { type AirGap, airGap } from '../lab/airgap.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { capture } from '../lab/process.ts';
import { freePort } from '../lab/registry.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { shellImage } from '../target/container/shell-image.ts';
import { type Ran, stowage } from './cli.ts';

// A real podman is killed with SIGKILL while it starts a service, at instants that its own programs tell: it runs
// netavark, conmon and runc through scripts that kill their ancestors before or after the real program ran.

const STAY = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done";
const work = mkdtempSync(join(tmpdir(), 'skp-'));
const at = (...names: readonly string[]): string => join(work, ...names);
let gap: AirGap;
let engine: Engine;
let made: SmallBundle;
let before: string;

beforeAll(async () => {
  gap = await airGap({ ownRun: true });
  engine = isolatedEngine(at('e'), { through: gap.enter });
  await interceptPrograms();
  const { image } = await shellImage(at('image'), 'chat', 'one');
  made = await smallBundle({
    place: at('made'),
    image: { layout: at('image'), manifest: image.manifest },
    services: [
      {
        ...{ name: 'server', image: 'server', args: [STAY] },
        ports: [{ name: 'http', container: 8080, host: await freePort() }],
      },
      { name: 'peer', image: 'server', args: [STAY] },
    ],
  });
  writeFileSync(at('trust.json'), writeCanonical(trustKind, made.trust));
  before = await held();
});

afterAll(async () => {
  await engine?.destroy();
  await gap?.destroy();
  rmSync(work, { recursive: true, force: true });
});

/** Where each program that podman runs may kill: before it (`netavark`) and after it (`netavark done`). */
async function interceptPrograms(): Promise<void> {
  mkdirSync(at('bin'));
  writeFileSync(at('stage'), '');
  const { stdout } = await capture('sh', ['-c', 'command -v conmon; command -v runc']);
  const [conmon = '', runc = ''] = stdout.trim().split('\n');
  const netavark = '/usr/lib/podman/netavark';
  const programs = [
    ['netavark', netavark, 'setup'],
    ['conmon', conmon, '-c'],
    ['runc', runc, 'start'],
    ['aardvark-dns', '/usr/lib/podman/aardvark-dns', ''],
  ] as const;
  for (const [name, real, word] of programs) {
    const text = `#!/bin/bash
read -r stage victims < ${at('stage')}
die() {
  : > ${at('stage')}
  pid=$PPID
  while [ "$pid" -gt 1 ]; do
    name=$(cat /proc/$pid/comm | sed 's/^node.*/stowage/;s/^Main.*/stowage/') && parent=$(awk '/^PPid/ { print $2 }' /proc/$pid/status)
    [[ ",$victims," = *",$name,"* ]] && kill -9 "$pid"
    # Stowage; what called it lives on.
    [ "$name" = stowage ] && break
    pid=$parent
  done
  exit 1
}
for word; do
  [ "$word" = "${word}" ] || continue
  [ "$stage" = ${name} ] && die
  [ "$stage" = ${name}-done ] && { ${real} "$@"; die; }
done
exec ${real} "$@"
`;
    writeFileSync(at('bin', name), text);
    chmodSync(at('bin', name), 0o755);
  }
  const conf = at('e/containers.conf');
  const lines = `conmon_path = ["${at('bin/conmon')}"]\nhelper_binaries_dir = ["${at('bin')}", "/usr/lib/podman"]\n`;
  const runtimes = `[engine.runtimes]\nrunc = ["${at('bin/runc')}"]\n`;
  writeFileSync(
    conf,
    `${readFileSync(conf, 'utf8').replace('[engine]\n', `[engine]\n${lines}`)}${runtimes}`,
  );
}

const run = (...args: readonly string[]): Promise<Ran> =>
  stowage(
    { cwd: work, env: { ...engine.env, STOWAGE_ROOT: at('site') }, through: gap.enter },
    ...args,
  );

const install = (): Promise<Ran> =>
  run(
    ...['install', made.folder, '--trust', at('trust.json')],
    ...['--fingerprint', trustFingerprint(made.trust)],
  );

/** What an engine and its namespace hold: also layers, mounts and interfaces that no command of podman lists. */
async function held(): Promise<string> {
  const lists = [
    ...['ps --all --external', 'images --all', 'network ls', 'volume ls'].map((each) =>
      engine
        .podman(...each.split(' '), '--format', '{{.ID}}')
        .catch(() => engine.podman(...each.split(' '))),
    ),
    engine.podman('secret', 'ls', '--format', '{{.Name}}'),
  ];
  const script = `ip -brief link | cut -d ' ' -f 1
    find storage/overlay storage/overlay-containers -mindepth 1 -maxdepth 1 -type d ! -name l
    find /run/containers/networks/aardvark-dns -type f ! -name aardvark.pid 2>/dev/null
    awk '{ print $5 }' /proc/self/mountinfo | grep ^$PWD/`;
  const { stdout } = await gap.run('bash', ['-c', script], { cwd: at('e') });
  // The mount of its storage, which podman makes at its first command and keeps.
  const left = stdout.split('\n').filter((line) => line !== at('e/storage/overlay'));
  return [...(await Promise.all(lists)), ...left].join('\n').trim();
}

describe('when podman is killed while a service starts', () => {
  it.each([
    ['netavark', 'podman'],
    ['netavark-done', 'podman,stowage'],
    ['conmon', 'podman,stowage'],
    ['runc', 'podman,conmon'],
    ['runc-done', 'podman,conmon,stowage'],
  ])(
    'installs afterwards, and uninstalls without residue: at %s, with %s',
    async (stage, victims) => {
      writeFileSync(at('stage'), `${stage} ${victims}\n`);
      expect((await install()).status).not.toBe(0);
      expect(readFileSync(at('stage'), 'utf8')).toBe('');
      const again = await install();
      expect([again.status, again.stderr]).toMatchObject([0, expect.anything()]);
      expect((await run('status')).json.services).toMatchObject([
        { state: { state: 'running' }, drift: [] },
        { state: { state: 'running' }, drift: [] },
      ]);
      const receipt = ['--receipt', at(`last-${stage}.json`)];
      expect((await run('uninstall', '--everything', '--yes', ...receipt)).complaints).toEqual([]);
      expect(await held()).toBe(before);
    },
    600_000,
  );
});
