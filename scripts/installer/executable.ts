import { chmodSync, copyFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NOTICES } from '../../src/cli/commands/help-topics.ts';
import type { Code } from './code.ts';
import { NODE_VERSION, type Platform } from './platforms.ts';
import { run } from './run.ts';

// The mark in Node's executable behind which it is told that a program was put into it.
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/**
 * The program as Node wants it inside an executable. No snapshot and no code cache: both depend on the processor
 * that wrote them. Nothing but these flags bends the runtime: `NODE_OPTIONS` is not read, nor any configuration of
 * OpenSSL.
 * @param notices the licenses of what is inside: the executable travels alone
 * @returns the path of the blob, in `folder`
 */
export function makeBlob(code: Code, notices: string, folder: string): string {
  if (process.versions.node !== NODE_VERSION)
    throw new Error(`installers are built by Node ${NODE_VERSION}, not ${process.versions.node}`);
  // Names without folders: the blob holds them.
  writeFileSync(join(folder, 'installer.js'), code.main);
  for (const [name, text] of Object.entries(code.assets)) writeFileSync(join(folder, name), text);
  writeFileSync(join(folder, NOTICES), notices);
  const config = {
    main: 'installer.js',
    output: 'installer.blob',
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    useCodeCache: false,
    execArgv: ['--openssl-config=/dev/null'],
    execArgvExtension: 'none',
    assets: {
      ...Object.fromEntries(Object.keys(code.assets).map((name) => [name, name])),
      [NOTICES]: NOTICES,
    },
  };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  run(process.execPath, ['--experimental-sea-config', 'config.json'], folder);
  return join(folder, 'installer.blob');
}

/** Writes one installer: Node's executable, stripped, with the blob put in. */
export function makeExecutable(
  platform: Platform,
  node: string,
  blob: string,
  output: string,
): void {
  const temporary = `${output}.partial`;
  mkdirSync(dirname(output), { recursive: true });
  rmSync(temporary, { force: true });
  copyFileSync(node, temporary);
  chmodSync(temporary, 0o755);
  // Before the blob is put in: strip would take that for something to remove.
  run(platform.strip, ['--strip-all', temporary], dirname(output));
  const postject = fileURLToPath(import.meta.resolve('postject/dist/cli.js'));
  const into = [temporary, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE];
  run(process.execPath, [postject, ...into], dirname(output));
  renameSync(temporary, output);
}
