// Builds the travelling installers and toolkits, dist/installer/stowage-PLATFORM and stowage-toolkit-PLATFORM, and beside each the list of its components. Equal sources and packages give equal bytes.
// usage: node scripts/build-installer.ts [PLATFORM...]     linux-x64, linux-arm64; both without arguments

import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../src/core/error.ts';
import { noticesText, packageNotices } from './build/notices.ts';
import { installerCode, toolkitCode } from './installer/code.ts';
import { packagesInside, runtimeParts, writeComponents } from './installer/components.ts';
import { makeBlob, makeExecutable } from './installer/executable.ts';
import { madeBefore } from './installer/made-before.ts';
import { platforms } from './installer/platforms.ts';
import { runtime, runtimeNotice } from './installer/runtime.ts';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const asked = process.argv.slice(2);
const names = asked.length === 0 ? Object.keys(platforms) : asked;
const work = mkdtempSync(join(tmpdir(), 'stowage-installer-'));
try {
  const programs = { 'stowage-': installerCode, 'stowage-toolkit-': toolkitCode };
  for (const [prefix, codeOf] of Object.entries(programs)) {
    const code = await codeOf(root);
    const notices = [...packageNotices(root, code.inputs), await runtimeNotice(root)];
    const folder = join(work, prefix);
    mkdirSync(folder);
    const blob = makeBlob(code, noticesText(root, notices), folder);
    const inside = { packages: packagesInside(root, code.inputs), parts: await runtimeParts(root) };
    for (const name of names) {
      const platform = platforms[name];
      if (platform === undefined)
        throw new Error(
          `no such platform: ${name}; there are ${Object.keys(platforms).join(', ')}`,
        );
      const output = join(root, 'dist/installer', `${prefix}${name}`);
      const node = await runtime(platform, root);
      madeBefore(root, { platform, blob, output }, (path) =>
        makeExecutable(platform, node, blob, path),
      );
      await writeComponents(output, platform, inside);
      console.log(`${output}: ${statSync(output).size} bytes`);
    }
  }
} catch (error) {
  console.error(`build-installer: ${messageOf(error)}`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
