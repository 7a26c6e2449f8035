import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { formatBytes } from '../../../src/core/text.ts';
import { bundleSize } from '../../../src/format/bundle.ts';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { tree } from '../../support/tree.ts';

const scratch = scratchFolder();
let small: SmallBundle;
let place: string;

beforeAll(async () => {
  place = scratch.fresh();
  small = await smallBundle({ place, installer: true, parity: 1, partSize: 4 * 1024 ** 2 });
  writeFileSync(join(place, 'root.pem'), encodeCertificate(small.root));
});

/** What is on the disk: every file that SHA512SUMS lists. */
function listed(): { paths: string[]; bytes: number } {
  const lines = readFileSync(join(small.folder, 'SHA512SUMS'), 'utf8').trimEnd().split('\n');
  const paths = lines.map((line) => line.slice(130));
  const bytes = paths
    .filter((path) => path !== 'bundle.json')
    .reduce((sum, path) => sum + readFileSync(join(small.folder, path)).length, 0);
  return { paths, bytes };
}

describe('when the size of a bundle is shown', () => {
  it('is the number and the bytes of the files that SHA512SUMS lists', () => {
    const { paths, bytes } = listed();
    expect(bundleSize(small.bundle)).toMatchObject({ files: paths.length, bytes });
    expect(bundleSize(small.bundle).installers).toBeGreaterThan(0);
    expect(Object.keys(tree(small.folder)).filter((path) => paths.includes(path))).toHaveLength(
      paths.length,
    );
  });

  it('is the same in inspect, its page, verify and its report, installer included', async () => {
    const { files, bytes, content, installers } = bundleSize(small.bundle);
    const page = join(place, 'page.html');
    const inspected = await runProgram(['inspect', small.folder, '--html', page], place);
    expect(inspected.stdout).toContain(
      `${files} files, ${formatBytes(bytes)}: ${formatBytes(content)} of content, ${formatBytes(installers)} of installers`,
    );
    const html = readFileSync(page, 'utf8')
      .replace(/<[^>]*>/g, ' ')
      .replace(/ +/g, ' ');
    expect(html).toContain(`${files} files, ${formatBytes(bytes)}`);
    expect(html).toContain(`Total ${formatBytes(bytes)} 100 %`);
    const report = join(place, 'report.html');
    const args = ['verify', small.folder, '--trust', 'root.pem', '--report', report, '--json'];
    const { result } = await runProgram(args, place);
    expect(result?.json).toMatchObject({ files, bytes });
    expect(readFileSync(report, 'utf8')).toContain(
      `${files} files listed, ${bytes.toLocaleString('en')} bytes<`,
    );
  });
});
