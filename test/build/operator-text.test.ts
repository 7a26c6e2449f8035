import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { operatorText } from '../../src/build/operator-text.ts';
import { exitStatus } from '../../src/core/error.ts';
import { checkDocument } from '../../src/format/document.ts';
import { type Manifest, manifestKind } from '../../src/format/manifest.ts';
import { readYaml } from '../../src/format/yaml-document.ts';
import { commandsOfGuide } from '../support/documents.ts';

const x64 = { platform: 'linux/amd64', path: 'stowage-linux-x64' };
const arm64 = { platform: 'linux/arm64', path: 'stowage-linux-arm64' };

const manifest = (more: object = {}): Manifest =>
  checkDocument(manifestKind, {
    apiVersion: 'stowage/v1',
    name: 'chat',
    version: '1.4.0',
    files: [{ name: 'settings', source: './settings.json' }],
    ...more,
  });

describe('when the operator’s guide is written', () => {
  it('is seven-bit text of at most 80 columns', () => {
    for (const line of operatorText(manifest(), [x64, arm64]).split('\n'))
      expect(line).toMatch(/^[\x20-\x7e]{0,80}$/);
  });

  it('is filled, however long the names are: no line ends before the next word would fit', () => {
    const name = 'a-release-with-a-rather-long-name';
    const text = operatorText(manifest({ name }), [x64]);
    const lines = text.slice(0, text.indexOf('\n14. ')).split('\n');
    const early = lines.filter((line, index) => {
      const next = lines[index + 1] ?? '';
      const isProse = (each: string): boolean => /^(?:[A-Za-z"(*]| {2}[a-z"(])/.test(each);
      const goesOn = isProse(line) && isProse(next) && !/^\* | {2}\S+ {2,}/.test(next);
      return goesOn && line.length + 1 + (next.trim().split(' ')[0] ?? '').length <= 80;
    });
    expect(early).toEqual([]);
  });

  it('writes nothing to the medium, which may be read-only', () => {
    const commands = commandsOfGuide(operatorText(manifest(), [x64])).flatMap(
      (each) => each.commands,
    );
    const written = commands.flatMap((each) => /--output (\S+)/.exec(each)?.[1] ?? []);
    expect(written).toEqual(['~/plan.json', '~/repair.json']);
  });

  it('has commands that a shell can parse, in the order in which to type them', () => {
    const blocks = commandsOfGuide(operatorText(manifest(), [x64]));
    const commands = blocks
      .filter((each) => each.notRun === undefined)
      .map((each) => each.commands[0]);
    expect(commands).toEqual([
      'ROOT=/path/to/ROOT.pem',
      "PAPER='digits-on-the-paper'",
      'openssl x509 -in "$ROOT" -noout -subject -fingerprint -sha256',
      "grep ' stowage-linux-x64$' SHA512SUMS | sha512sum --check --strict",
      'install -m 0755 stowage-linux-x64 /usr/local/bin/stowage',
      'stowage doctor',
      'stowage import . --trust "$ROOT" --fingerprint "$PAPER"',
      'SITE=/var/lib/stowage',
      'stowage plan chat@1.4.0 --explain',
      'stowage install chat@1.4.0',
      'stowage status',
      'stowage receipt write',
      'stowage receipt show',
      'stowage audit verify',
    ]);
    for (const {
      commands: [input = ''],
    } of blocks)
      expect(spawnSync('bash', ['-n'], { input }).status, input).toBe(0);
  });

  it('lists every exit status', () => {
    const text = operatorText(manifest(), []);
    for (const status of [0, ...Object.values(exitStatus)])
      expect(text).toMatch(new RegExp(`^ {2}${status} +[a-z]`, 'm'));
  });

  it('covers only architectures that the bundle has an installer for', () => {
    expect(operatorText(manifest(), [arm64])).not.toContain('x86_64');
    expect(operatorText(manifest(), [])).toContain('contains no installer');
  });

  it('lists what the release requires of a site', () => {
    const text = operatorText(
      manifest({
        images: [{ name: 'server', source: 'example.com/server:1' }],
        parameters: {
          port: { type: 'integer', default: 8080, description: 'the port' },
          motto: { type: 'string', default: 'für alle', description: 'a motto' },
          region: { type: 'string', description: 'where' },
        },
        secrets: { token: { description: 'of the gateway' } },
        services: [
          {
            ...{ name: 'gateway', image: 'server', secrets: [{ secret: 'token', path: '/t' }] },
            env: { MOTTO: '${parameters.motto}', REGION: '${parameters.region}' },
            ports: [
              { name: 'http', container: 80, host: '${parameters.port}' },
              { name: 'metrics', container: 81, host: 9100 },
            ],
          },
        ],
        requires: {
          releases: [{ name: 'base', version: '^1.4' }],
          conflicts: [{ name: 'old', version: '*' }],
          host: { kernel: '>=5.15', memory: '16GiB', gpu: { vendor: 'nvidia', count: 2 } },
        },
      }),
      [x64],
    );
    for (const line of [
      'TCP port for "gateway": the value of "port"',
      'TCP port for "gateway": 9100',
      'value of "port" (integer): 8080, unless set in site.yaml',
      'value of "motto" (string): "f?r alle", unless set in site.yaml',
      'value of "region" (string): required in site.yaml',
      'secret "token": required in site.yaml',
      'release base ^1.4, running',
      'no release old *',
      'kernel >=5.15',
      'memory: 16 GiB in total',
      'GPUs: 2 of nvidia',
    ])
      expect(text).toContain(`\n  - ${line}\n`);
    expect(operatorText(manifest(), [x64])).toContain('This release has no other requirements.');
  });

  it('names the versions that it recalls', () => {
    const recalls = [{ release: 'chat', versions: '>=1.2.0 <1.2.4', reason: 'it leaks' }];
    const text = operatorText(manifest({ files: [], recalls }), []);
    expect(text).toContain('* Recalled versions, ');
    expect(text).toContain('\n  - chat >=1.2.0 <1.2.4\n');
    for (const line of text.split('\n')) expect(line).toMatch(/^[\x20-\x7e]{0,80}$/);
  });

  it('names every value and secret in the step that writes site.yaml', () => {
    const type = 'string';
    const text = operatorText(
      manifest({
        parameters: {
          region: { type, description: 'where' },
          motto: { type, default: 'x', description: 'what' },
        },
        secrets: { token: { description: 'of the gateway' }, key: { description: 'a key' } },
      }),
      [],
    );
    const step = text.slice(text.indexOf('\n6. '), text.indexOf('\n7. '));
    expect(step).toContain('REQUIRED:\n  - region\n');
    expect(step).toContain('can change:\n  - motto\n');
    for (const each of ['token', 'key']) expect(step).toContain(`"$SITE/secrets/chat/${each}"`);
    expect(step).toContain('"target: depot"');
  });

  it('is identical to the sample in manifests/', () => {
    const read = (name: string): Buffer => readFileSync(`manifests/${name}`);
    const text = operatorText(readYaml(manifestKind, read('nemotron-vllm.yaml')), [x64]);
    expect(read('OPERATOR.txt').toString(), 'run npm run guide').toBe(text);
  });
});
