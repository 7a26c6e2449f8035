import { lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { MIB } from '../../src/core/limits.ts';
import { writeUnitFile } from '../../src/target/host/unit-file.ts';
import { encodeCertificate } from '../../src/trust/certificate-file.ts';
import { runProgram } from '../support/fake-terminal.ts';
import { scratchFolder } from '../support/scratch.ts';
import { smallBundle } from '../support/small-bundle.ts';

const scratch = scratchFolder();
const usual = process.umask();
afterEach(() => void process.umask(usual));

/** What others must not read; everything else can be read by all, and written by its owner alone. */
const SECRET =
  /(?:^|\/)(?:keys|keys\/(?:site\.key\.pem|secret-names\.key)|pki|pki\/[^/]*\.key\.pem)$/;
const RUNS = /(?:^|\/)stowage(?:-linux-[^/]*)?$/;

function wrongModes(folder: string): string[] {
  const wrong: string[] = [];
  for (const path of (readdirSync(folder, { recursive: true }) as string[]).toSorted()) {
    // What the test itself wrote.
    if (/(?:^|\/)installers|^root\.pem$/.test(path)) continue;
    const status = lstatSync(join(folder, path));
    if (status.isSymbolicLink()) continue;
    const mode = status.mode & 0o777;
    const folderMode = SECRET.test(path) ? 0o700 : 0o755;
    const fileModes = SECRET.test(path) ? [0o600] : RUNS.test(path) ? [0o755] : [0o644, 0o444];
    if (!(status.isDirectory() ? [folderMode] : fileModes).includes(mode))
      wrong.push(`${mode.toString(8)} ${path}`);
  }
  return wrong;
}

const masks = [0o000, 0o027, 0o077] as const;

describe.each(masks.map((mask) => ({ mask, text: mask.toString(8).padStart(3, '0') })))(
  'when the umask is $text',
  ({ mask }) => {
    it('gives every file and folder that a command writes the mode that it needs', async () => {
      const place = scratch.fresh('place');
      process.umask(0o022);
      mkdirSync(place, { mode: 0o755 });
      mkdirSync(join(place, 'site'), { mode: 0o755 });
      writeFileSync(
        join(place, 'site/site.yaml'),
        'apiVersion: stowage/v1\nname: x\ntarget: depot\n',
      );
      process.umask(mask);
      const run = async (...args: readonly string[]): Promise<void> => {
        const ran = await runProgram(args, place, { program: process.execPath });
        expect(ran.status, `${args.join(' ')}: ${ran.stderr}`).toBe(0);
      };
      const made = { partSize: 4 * MIB, weights: 9 * MIB, parity: 1, crumbs: 3, installer: true };
      const one = await smallBundle({ place: join(place, 'one'), ...made });
      const next = { authority: one.authority, version: '2.0.0', seq: 2 };
      await smallBundle({ place: join(place, 'two'), ...made, ...next });
      writeFileSync(join(place, 'root.pem'), encodeCertificate(one.root), { mode: 0o644 });
      await run('init', 'stowage.yaml');
      await run('pki', 'pki');
      await run('trust', 'init', '--output', '1.trust.json', '--root', 'one=root.pem');
      await run('split', 'one/chat-1.0.0', '--output', 'discs', '--disc-size', '20MiB');
      await run('stream', 'one/chat-1.0.0', '--output', 'one.tar');
      await run('inspect', 'one/chat-1.0.0', '--html', 'page.html');
      await run('verify', 'one/chat-1.0.0', '--trust', 'root.pem', '--report', 'report.html');
      const site = ['--root', 'site'];
      await run(
        'install',
        'one/chat-1.0.0',
        '--trust',
        'root.pem',
        '--fingerprint',
        one.root.fingerprint,
        ...site,
      );
      await run('import', 'two/chat-2.0.0', ...site);
      await run('plan', 'chat@2.0.0', '--output', 'plan.json', ...site);
      await run('install', 'two/chat-2.0.0', ...site);
      await run('receipt', 'write', ...site);
      await run('rollback', ...site);
      await run('depot', 'export', '--hf-cache', 'cache', ...site);
      await run('gc', ...site);
      await writeUnitFile(join(place, 'units', 'system'), 'x.service', '[Unit]\n');
      process.umask(usual);
      expect(wrongModes(place)).toEqual([]);
    });
  },
);
