import { digestOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { startDepot } from '../../depot/server.ts';
import type { DeployedRelease } from '../../format/generation.ts';
import type { GateResult } from '../../format/receipt.ts';
import { sendRequest } from '../../target/http-request.ts';
import { catalogOf } from '../catalog/catalog.ts';
import type { SiteFolder } from '../site-folder.ts';

const REQUEST_SECONDS = 30;

/** The context of the gate of a release. */
export interface ReleaseGate {
  readonly site: SiteFolder;
  readonly signal: AbortSignal;
  /** Called with the result of the check. */
  readonly keep: (result: GateResult) => void;
}

/**
 * The gate of a release without services: a depot serves every manifest byte for byte, and every blob has its full size.
 * @throws StowageError `gate-failed` naming the first that fails
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
    hint: 'import the bundle again; if the problem persists, check the disk of this host',
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
        const endpoint = { address, port: Number(port) };
        const request = { endpoint, path, seconds: REQUEST_SECONDS, signal };
        const response = await sendRequest(request);
        if (response === undefined) return `no response from ${path}`;
        if (response.status !== 200) return `status ${response.status} from ${path}`;
        if (digestOf(Buffer.from(response.body)) !== digest) return `different content at ${path}`;
      }
      for (const [digest, size] of blobs) {
        const stored = await site.store.size(digest);
        if (stored !== size)
          return `blob ${digest} of ${repository} has ${stored ?? 'no'} bytes instead of ${size}`;
      }
    }
    return true;
  } finally {
    await depot.close();
  }
}
