import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { podmanRunArguments } from '../../../src/target/podman/podman-arguments.ts';
import {
  commandWord,
  podmanQuadlet,
  podmanUnit,
  systemdWord,
} from '../../../src/target/podman/podman-unit.ts';
import { expectCode } from '../../support/error.ts';
import { skipBecause } from '../../support/skip-because.ts';
import { service, services } from '../container/services.ts';

const options = {
  // Verification wants a program that is there; this one is on every machine.
  podman: '/bin/true',
  wantedBy: 'multi-user.target',
  selinux: false,
  environment: {},
} as const;
const ANALYZE = 'systemd-analyze';
const analyze = spawnSync(ANALYZE, ['--version']).status === 0;

/** Splits a command line as systemd.service(5), "Command lines", and systemd.syntax(7), "Quoting", say. */
function systemdSplit(line: string): string[] {
  const words: string[] = [];
  for (const [, quoted, bare] of line.matchAll(/\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"']+))/gs)) {
    const unescaped = (quoted ?? bare ?? '').replace(
      /\\(?:x([0-9a-f]{2})|(.))/g,
      (_, hex?: string, plain?: string) =>
        hex === undefined ? (plain ?? '') : String.fromCharCode(Number.parseInt(hex, 16)),
    );
    words.push(unescaped.replaceAll('%%', '%').replaceAll('$$', '$'));
  }
  return words;
}

function execStart(unit: string): string {
  const joined = unit.replaceAll('\\\n', ' ');
  return /^ExecStart=(.*)$/m.exec(joined)?.[1] ?? '';
}

describe('when a service is rendered as a unit', () => {
  it.each(Object.entries(services))('gives the text of golden/%s.service', async (name, each) => {
    await expect(podmanUnit(each, options)).toMatchFileSnapshot(`golden/${name}.service`);
  });

  it.each(Object.entries(services))('runs what podman is meant to run: %s', (_, each) => {
    const args = podmanRunArguments(each, { supervisor: 'systemd', selinux: false });
    expect(systemdSplit(execStart(podmanUnit(each, options)))).toEqual(['/bin/true', ...args]);
  });

  it.for(Object.entries(services))('systemd-analyze accepts %s', ([, each], test) => {
    if (!analyze) skipBecause(test, 'systemd-analyze is not installed');
    const folder = mkdtempSync(join(tmpdir(), 'stowage-unit-'));
    try {
      const file = join(folder, `${each.unit}.service`);
      const hostile = { ...each, args: [...each.args, ';', '', '%n $HOME ${X} "\'\\', 'é\t\n'] };
      writeFileSync(file, podmanUnit(hostile, { ...options, environment: { A: 'b c' } }));
      const said = spawnSync(ANALYZE, ['verify', file], { encoding: 'utf8' });
      expect(said.stderr.split('\n').filter((line) => line.includes(each.unit))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('waits for the file systems that it mounts from', () => {
    const mounts = [{ source: '/mnt/my store', path: '/models' }];
    expect(podmanUnit(service({ mounts }), options)).toContain(
      '\nRequiresMountsFor="/mnt/my store"\n',
    );
  });

  it('starts after what it depends on, and with it', () => {
    const unit = podmanUnit(service({ dependsOn: ['embedder', 'db'] }), options);
    const units = 'stowage-chat-1-embedder.service stowage-chat-1-db.service';
    expect(unit).toContain(`\nWants=network-online.target ${units}\n`);
    expect(unit).toContain(`\nAfter=network-online.target ${units}\n`);
  });

  it('gives podman the settings that this engine was called with', () => {
    const environment = { CONTAINERS_CONF: '/etc/my conf' };
    expect(podmanUnit(service(), { ...options, environment })).toContain(
      '\nEnvironment="CONTAINERS_CONF=/etc/my conf"\n',
    );
  });
});

describe('when a word is written for systemd', () => {
  it.each([
    ['plain/path-1.0', 'plain/path-1.0'],
    ['', '""'],
    [';', '";"'],
    ['a b', '"a b"'],
    ['100%', '"100%%"'],
    ['$HOME', '"$$HOME"'],
    ['${X}', '"$${X}"'],
    ['a\\b"c', '"a\\\\b\\"c"'],
    ["it's", '"it\'s"'],
    ['a\nb\tc', '"a\\x0ab\\x09c"'],
    ['é', '"é"'],
  ])('writes %j as %s', (text, word) => {
    expect(commandWord(text)).toBe(word);
  });

  it('keeps a dollar outside command lines', () => {
    expect(systemdWord('A=$B')).toBe('"A=$B"');
  });

  it('survives for any text', () => {
    const words = fc.array(fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')));
    fc.assert(
      fc.property(words, (texts) => {
        expect(systemdSplit(texts.map(commandWord).join(' '))).toEqual(texts);
      }),
    );
  });

  it('refuses a NUL byte', async () => {
    await expectCode(() => commandWord('a\0b'), 'manifest-invalid');
  });
});

const optionsOfPodmanQuadlet = {
  podman: '/usr/bin/podman',
  wantedBy: 'multi-user.target',
  selinux: false,
  environment: {},
} as const;

/** The keys of podman 4.4, the first with Quadlet (podman-systemd.unit(5)), and systemd's that are used. */
const KEYS = {
  Unit: ['Description', 'Wants', 'After', 'RequiresMountsFor'],
  Container: [
    ...['AddCapability', 'AddDevice', 'ContainerName', 'DropCapability', 'Environment', 'Exec'],
    ...['Image', 'Label', 'Network', 'NoNewPrivileges', 'PodmanArgs', 'PublishPort', 'ReadOnly'],
    'Volume',
  ],
  Service: ['Environment', 'Restart', 'RestartSec', 'TimeoutStartSec', 'TimeoutStopSec'],
  Install: ['WantedBy'],
};

describe('when a service is rendered as a Quadlet file', () => {
  it.each(Object.entries(services))('gives the text of golden/%s.container', async (name, each) => {
    await expect(podmanQuadlet(each, optionsOfPodmanQuadlet)).toMatchFileSnapshot(
      `golden/${name}.container`,
    );
  });

  it.each(Object.entries(services))('uses keys that every Quadlet knows: %s', (_, each) => {
    const text = podmanQuadlet(each, {
      ...optionsOfPodmanQuadlet,
      environment: { CONTAINERS_CONF: '/c' },
    });
    for (const part of text.split(/^\[/m).slice(1)) {
      const [section = '', ...lines] = part.trim().split('\n');
      const known = KEYS[section.replace(']', '') as keyof typeof KEYS];
      for (const line of lines) expect(known).toContain(line.split('=')[0]);
    }
  });

  it('labels mounts on hosts with SELinux', () => {
    const mounts = [{ source: '/store', path: '/models' }];
    const text = podmanQuadlet(service({ mounts }), { ...optionsOfPodmanQuadlet, selinux: true });
    expect(text).toContain('\nVolume=/store:/models:ro,z\n');
  });

  it('leaves a mount unquoted, as Quadlet reads it, with nothing that systemd expands', () => {
    const mounts = [{ source: '/my store/100%/$HOME', path: '/models' }];
    expect(podmanQuadlet(service({ mounts }), optionsOfPodmanQuadlet)).toContain(
      '\nVolume=/my store/100%%/$$HOME:/models:ro\n',
    );
  });

  it('escapes arguments and variables for a command line', () => {
    const each = service({ args: ['a b', '$HOME', '100%', ''], env: { X: 'it is $5' } });
    const text = podmanQuadlet(each, optionsOfPodmanQuadlet);
    expect(text).toContain('\nExec="a b" "$$HOME" "100%%" ""\n');
    expect(text).toContain('\nEnvironment="X=it is $$5"\n');
  });

  it('names secrets and holds none', () => {
    const secrets = [{ name: 'stowage-chat-token-1', path: '/run/secrets/token' }];
    const own = podmanQuadlet(service({ secrets, user: '7:8' }), optionsOfPodmanQuadlet);
    expect(own).toContain(
      'PodmanArgs=--secret stowage-chat-token-1,type=mount,target=/run/secrets/token,uid=7,gid=8,mode=0400',
    );
    const images = podmanQuadlet(service({ secrets }), optionsOfPodmanQuadlet);
    expect(images).toContain('target=/run/secrets/token,mode=0444');
  });

  it('refuses what systemd cannot carry', async () => {
    await expectCode(
      () => podmanQuadlet(service({ args: ['a\0b'] }), optionsOfPodmanQuadlet),
      'manifest-invalid',
    );
  });
});
