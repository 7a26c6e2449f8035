import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { podmanRunArguments } from '../../../src/target/podman/podman-arguments.ts';
import { commandWord, podmanUnit, systemdWord } from '../../../src/target/podman/podman-unit.ts';
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
