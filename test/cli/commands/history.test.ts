import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { auditLine, historyLine } from '../../../src/cli/commands/history-lines.ts';
import { sriHex, sriOf } from '../../../src/core/digest.ts';
import type { LedgerEntry } from '../../../src/format/ledger.ts';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { personScreen, type Ran, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder();
const bundles: SmallBundle[] = [];
let place: string;
let installed: readonly Ran[];
let word: Ran;

const run = (args: readonly string[], values: object = {}): Promise<Ran> =>
  runProgram([...args, '--site', 'site'], place, values);

beforeAll(async () => {
  place = scratch.fresh();
  mkdirSync(join(place, 'site'), { recursive: true });
  writeFileSync(
    join(place, 'site/site.yaml'),
    'apiVersion: stowage/v1\nname: plant\ntarget: depot\n',
  );
  const first = await smallBundle({ place: scratch.fresh() });
  const { authority } = first;
  bundles.push(first);
  for (const version of ['1.1.0', '1.2.0'])
    bundles.push(
      await smallBundle({ place: scratch.fresh(), authority, version, seq: bundles.length + 1 }),
    );
  const recalls = [{ release: 'chat', versions: '1.1.0', reason: 'it leaks' }];
  const notice = await smallBundle({
    ...{ place: scratch.fresh(), authority, name: 'word', notice: true, recalls },
  });
  const root = join(place, 'root.pem');
  writeFileSync(root, encodeCertificate(first.root));
  const trust = ['--trust', root, '--fingerprint', first.root.fingerprint];
  const [one = first, two = first, three = first] = bundles;
  const sudo = { uid: 0, env: { SUDO_USER: 'alice' } };
  installed = [
    await run(['install', one.folder, ...trust], sudo),
    await run(['install', two.folder]),
    await run(['import', three.folder]),
  ];
  word = await run(['import', notice.folder]);
});

describe('when a running release is recalled', () => {
  const line =
    'RECALLED: chat 1.1.0: it leaks; next: run "stowage rollback --to 1" (chat 1.0.0), or install a newer version\n';

  it('is said first by the import of the recall, with the next command', async () => {
    expect(word).toMatchObject({ status: 0 });
    expect(word.stdout.startsWith(line)).toBe(true);
    for (const { stdout } of installed) expect(stdout).not.toContain('RECALLED');
    expect(word.stdout).toContain('nothing to install');
    const { stdout } = await run(['status']);
    expect(stdout).toMatch(/^ {2}recorded: word 1\.0\.0, sequence 1, bundle [0-9a-f]{16}$/m);
    expect(stdout).not.toContain('not installed: word');
    expect(word.stdout).not.toContain('next: stowage install word');
  });

  it('is said by an install that changes nothing, and by status', async () => {
    const again = await run(['install', 'chat@1.1.0']);
    expect(again.stdout).toContain(line);
    expect(again.stdout).toContain('nothing to do');
    const data = await run(['install', 'chat@1.1.0', '--json']);
    expect(JSON.parse(data.stdout)).toMatchObject({ recalled: [{ version: '1.1.0' }] });
    expect((await run(['status'])).stdout).toContain(line);
    expect(await run(['status', '--check'])).toMatchObject({ status: 6 });
  });
});

describe('when the history of a site is shown', () => {
  it('names release, version, generation, bundle and user, imports and recalls included', async () => {
    const { stdout } = await run(['history']);
    const [one, two, three] = bundles.map(({ id }) => id.slice(0, 16));
    for (const part of [
      `import     chat 1.0.0, sequence 1, bundle ${one}; by alice with sudo, uid 0`,
      `install    chat 1.0.0, bundle ${one}; generation 1; by alice with sudo, uid 0`,
      `install    chat 1.1.0, bundle ${two}; generation 2; by uid 1000`,
      `import     chat 1.2.0, sequence 3, bundle ${three}; by uid 1000`,
      'recall     chat 1.1.0: it leaks',
      'current generation: 2',
      '  1: chat 1.0.0\n',
      '  2: chat 1.1.0 (recalled) (current)\n',
      'RECALLED: chat 1.1.0: it leaks; next: run "stowage rollback --to 1" (chat 1.0.0)',
    ])
      expect(stdout).toContain(part);
  });

  it('names the command that removed a stored release, and the release', async () => {
    const site = scratch.copy(join(place, 'site'));
    await runProgram(['forget', 'chat@1.2.0', '--site', site], place);
    await runProgram(['gc', '--keep', '0', '--site', site], place);
    const { stdout } = await runProgram(['history', '--site', site], place);
    expect(stdout).toMatch(/ {2}forget {5}chat 1\.2\.0; 0 generations and \d+ blobs? removed/);
    expect(stdout).toMatch(/ {2}gc {9}1 generation and \d+ blobs? removed/);
  });

  it('has the contents of each generation as data', async () => {
    const { generations, kept } = JSON.parse((await run(['history', '--json'])).stdout);
    expect(kept).toEqual([1, 2]);
    expect(generations).toMatchObject([
      { number: 1, releases: [{ name: 'chat', version: '1.0.0', bundle: bundles[0]?.id }] },
      {
        number: 2,
        releases: [
          { name: 'chat', version: '1.1.0', bundle: bundles[1]?.id, withdrawn: 'recalled' },
        ],
      },
    ]);
    expect(generations[0].releases[0]).not.toHaveProperty('withdrawn');
    expect((await run(['status'])).stdout).toContain('    1: chat 1.0.0\n');
  });
});

describe('when a release is forgotten that cannot come back', () => {
  const answering = (answer: string): object => {
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    stdin.write(`${answer}\n`);
    return { stdin, stderr: personScreen() };
  };
  let site: string;
  const at = (args: readonly string[], values: object = {}): Promise<Ran> =>
    runProgram([...args, '--site', site], place, values);

  beforeEach(async () => {
    site = scratch.copy(join(place, 'site'));
    await at(['rollback', '--to', '1']);
  });

  it.each<[string, object]>([
    ['without a terminal', {}],
    ['when a person types nothing', answering('')],
    ['when a person types n', answering('n')],
  ])('removes nothing %s', async (_, values) => {
    const { error } = await at(['forget', 'chat@1.1.0'], values);
    expect(error?.code).toBe('usage-invalid');
    expect((await at(['forget', 'chat@1.1.0', '--dry-run'])).stdout).toContain(
      'it cannot be imported again, because a newer version was imported',
    );
  });

  it.each<[string, readonly string[], object]>([
    ['with --yes', ['--yes'], {}],
    ['when a person types y', [], answering('y')],
  ])('removes it %s', async (_, more, values) => {
    const { error } = await at(['forget', 'chat@1.1.0', ...more], values);
    expect(error).toBeUndefined();
    expect((await at(['forget', 'chat@1.1.0'])).error?.code).toBe('release-unknown');
  });

  it('is not asked about the newest', async () => {
    expect((await at(['forget', 'chat@1.2.0'])).error).toBeUndefined();
  });
});

describe('when the ledger is damaged', () => {
  it.each<[string, (lines: string[]) => string[], number]>([
    ['an entry was changed', (lines) => edited(lines, 4), 4],
    ['the last entry was changed', (lines) => edited(lines, lines.length - 1), -1],
    ['an entry is no JSON', (lines) => lines.with(3, '{'), 4],
    ['its end is gone', (lines) => [...lines.slice(0, 4), ''], 5],
    ['all of it is gone', () => [], 1],
  ])(
    'shows the site and the entries before it, if %s, and refuses changes',
    async (_, change, n) => {
      const site = scratch.copy(join(place, 'site'));
      const at = (...args: readonly string[]): Promise<Ran> =>
        runProgram([...args, '--site', site], place);
      const path = join(site, 'ledger');
      const lines = readFileSync(path, 'utf8').split('\n');
      const number = n < 0 ? lines.length + n : n;
      writeFileSync(path, change([...lines]).join('\n'));

      const shown = await at('audit', 'show', '--json');
      expect(shown.status).toBe(1);
      const data = JSON.parse(shown.stdout);
      expect(data).toMatchObject({ error: { code: 'state-damaged' } });
      expect(data.entries).toHaveLength(number - 1);
      const status = await at('status');
      expect(status.status).toBe(1);
      expect(status.stdout).toContain('chat 1.1.0');
      expect(status.stdout).toContain('LEDGER DAMAGED: ');
      expect(await at('status', '--check')).toMatchObject({ status: 6 });
      expect((await at('history')).stdout).toContain('current generation: 2');
      for (const args of [['audit', 'verify'], ['rollback'], ['import', bundles[2]?.folder ?? '']])
        expect(await at(...args)).toMatchObject({ status: 1, error: { code: 'state-damaged' } });
    },
  );
});

describe('when an entry was changed and every later one hashed again', () => {
  // The receipt of the site is of entry 5. The forged entry fits its neighbours, so only a receipt tells.
  it.each([
    ['before the receipt', 4, 0, 'no receipt confirms any entry'],
    ['after the receipt', 6, 5, 'a receipt confirms the first 5 entries; later ones may be forged'],
  ])('never says that one %s is confirmed', async (_, number, confirmed, words) => {
    const site = scratch.copy(join(place, 'site'));
    const path = join(site, 'ledger');
    const lines = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, rechained(edited(lines, number), number).join('\n'));
    const ran = await runProgram(['audit', 'show', '--json', '--site', site], place);
    expect(ran.status).toBe(1);
    expect(JSON.parse(ran.stdout)).toMatchObject({ confirmed, error: { code: 'state-damaged' } });
    for (const command of [['audit', 'show'], ['history'], ['status']])
      expect((await runProgram([...command, '--site', site], place)).stdout).toContain(words);
  });
});

/** With the hashes of the lines after this number made to fit. */
function rechained(lines: readonly string[], number: number): string[] {
  const result = [...lines];
  for (let index = number; index < result.length && result[index] !== ''; index += 1) {
    const before = sriHex(sriOf(Buffer.from(result[index - 1] ?? '')));
    result[index] = (result[index] ?? '').replace(
      /"previous":"[0-9a-f]{128}"/,
      `"previous":"${before}"`,
    );
  }
  return result;
}

/** With another time in the entry with this number. */
function edited(lines: readonly string[], number: number): string[] {
  return lines.map((line, index) =>
    index === number - 1 ? line.replace(/("at":"20)\d\d/, '$131') : line,
  );
}

describe('when the ledger is shown', () => {
  it('cuts nothing, and names the user of each entry', async () => {
    const { stdout } = await run(['audit', 'show']);
    for (const { id } of bundles) expect(stdout).toContain(`bundle=${id}`);
    expect(stdout).toContain('uid=0 sudoUser=alice');
    expect(stdout).not.toContain('[object Object]');
    expect((await run(['audit', 'verify'])).status).toBe(0);
  });

  it('shows why an install was rolled back', () => {
    const entry: LedgerEntry = {
      schema: 'stowage/ledger-entry/v2',
      number: 3,
      at: '2026-11-21T10:00:00Z',
      previous: 'a'.repeat(128),
      event: {
        kind: 'command',
        command: 'install',
        outcome: 'rolled-back',
        generation: 1,
        detail: 'server is not ready: status 503',
        release: { name: 'chat', version: '2.0.0', bundle: 'b'.repeat(128) },
      },
    };
    expect(historyLine(entry)).toContain(
      'chat 2.0.0, bundle bbbbbbbbbbbbbbbb; rolled-back; still at generation 1; server is not ready: status 503',
    );
    expect(auditLine(entry)).toContain(`"bundle":"${'b'.repeat(128)}"`);
  });
});
