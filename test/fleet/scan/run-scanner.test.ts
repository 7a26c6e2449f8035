import { describe, expect, it } from 'vitest';
import { scanBill } from '../../../src/fleet/scan/run-scanner.ts';
import type { ScanReport } from '../../../src/format/scan-findings.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { smallTrivy } from '../../support/small-scanner.ts';

const scratch = scratchFolder(true);
const trivy = smallTrivy(scratch.fresh('bin'), 'openssl');
const purl = 'pkg:deb/debian/libssl3@3.0.11?upstream=openssl';

function image(name: string, system: string): object {
  return {
    ...{ type: 'container', 'bom-ref': `image:${name}`, name },
    components: [
      { type: 'operating-system', 'bom-ref': `image:${name}/os`, name: system, version: '12' },
      { type: 'library', 'bom-ref': `image:${name}/${purl}`, name: 'libssl3', version: '3', purl },
    ],
  };
}

function scan(...components: readonly object[]): Promise<ScanReport> {
  const env = { PATH: process.env['PATH'] ?? '' };
  const scanner = { program: trivy, env, root: process.getuid?.() === 0 };
  return scanBill(Buffer.from(JSON.stringify({ components })), scanner, context());
}

describe('when a scanner looks at the top level of an SBOM alone', () => {
  it('is given each image by itself', async () => {
    const { findings } = await scan(image('a', 'debian'), image('b', 'debian'));
    expect(findings.map(({ id, ref }) => [id, ref])).toEqual([
      ['CVE-2026-1', `image:a/${purl}`],
      ['CVE-2026-1', `image:b/${purl}`],
    ]);
  });

  it('fails where it did not look at the packages of an image', async () => {
    await expectCode(() => scan(image('a', 'debian'), image('b', 'slackware')), 'scan-failed');
  });

  it('finds nothing where there are no packages', async () => {
    expect((await scan({ type: 'file', name: 'x' })).findings).toEqual([]);
  });
});
