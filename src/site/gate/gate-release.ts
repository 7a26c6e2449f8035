import { digestOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { startDepot } from '../../depot/server.ts';
import type { DeployedRelease } from '../../format/generation.ts';
import type { GateResult } from '../../format/receipt.ts';
import { ask } from '../../target/ask.ts';
import { catalogOf } from '../catalog/catalog.ts';
import type { SiteFolder } from '../site-folder.ts';

const ASK_SECONDS = 30;

/** What the gate of a release is run with. */
export interface ReleaseGate {
  readonly site: SiteFolder;
  readonly signal: AbortSignal;
  /** Is told of the check as it ends. */
  readonly keep: (result: GateResult) => void;
}

/**
 * What must hold before a release is kept that runs nothing: a depot gives every manifest of it byte for byte, and
 * has every blob whole.
 * @throws StowageError `gate-failed` naming the first that it does not
 */
export async function gateRelease(
  release: DeployedRelease,
  { site, signal, keep }: ReleaseGate,
): Promise<void> {
  const began = performance.now();
  const outcome = await served(release, site, signal);
  const expected = `a depot serves all of ${release.name} ${release.version}`;
  const passed = outcome === true;
  const found = passed ? expected : outcome;
  const milliseconds = Math.round(performance.now() - began);
  keep({ service: release.name, check: 'served', passed, expected, found, milliseconds });
  if (passed) return;
  throw new StowageError('gate-failed', `release ${release.name} cannot be served`, {
    expected,
    found,
    hint: 'import the bundle again; if that does not help, check the disk of this host',
  });
}

async function served(
  { bundle: id }: DeployedRelease,
  site: SiteFolder,
  signal: AbortSignal,
): Promise<string | true> {
  const catalog = await catalogOf(site, [id]);
  const depot = await startDepot(catalog, { address: '127.0.0.1', port: 0 });
  const [address = '', port] = depot.host.split(':');
  try {
    for (const { repository, manifests, blobs } of catalog.repositories()) {
      for (const digest of manifests.keys()) {
        const path = `/v2/${repository}/manifests/${digest}`;
        const answer = await ask({ address, port: Number(port) }, path, ASK_SECONDS, signal);
        if (answer === undefined) return `no answer to ${path}`;
        if (answer.status !== 200) return `status ${answer.status} to ${path}`;
        if (digestOf(Buffer.from(answer.body)) !== digest) return `other bytes at ${path}`;
      }
      for (const [digest, size] of blobs) {
        const there = await site.store.size(digest);
        if (there !== size)
          return `${there ?? 'no'} bytes of blob ${digest} of ${repository}, not ${size}`;
      }
    }
    return true;
  } finally {
    await depot.close();
  }
}
