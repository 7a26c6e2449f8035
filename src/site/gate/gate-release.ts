import { digestOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { counted, formatBytes } from '../../core/text.ts';
import type { Catalog } from '../../depot/catalog.ts';
import type { DeployedRelease } from '../../format/plan.ts';
import type { GateResult } from '../../format/receipt.ts';
import { sendRequest } from '../../target/http-request.ts';
import type { SiteFolder } from '../site-folder.ts';
import type { Outcome } from './outcome.ts';

const REQUEST_SECONDS = 30;

/** A depot that serves the release. */
export interface GatedDepot {
  readonly catalog: Catalog;
  /** Address and port. */
  readonly host: string;
}

/** The context of the gate of a release. */
export interface ReleaseGate {
  readonly depot: GatedDepot;
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
  { depot, site, signal, keep }: ReleaseGate,
): Promise<void> {
  const began = performance.now();
  const outcome = await served(depot, site, signal);
  const expected = `a depot serves all of ${release.name} ${release.version}`;
  const passed = typeof outcome !== 'string';
  const found = passed ? outcome.passed : outcome;
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
  { catalog, host }: GatedDepot,
  site: SiteFolder,
  signal: AbortSignal,
): Promise<Outcome> {
  const [address = '', port] = host.split(':');
  const endpoint = { address, port: Number(port) };
  const seen = new Map<string, number>();
  let checked = 0;
  for (const { repository, manifests, blobs } of catalog.repositories()) {
    for (const digest of manifests.keys()) {
      const path = `/v2/${repository}/manifests/${digest}`;
      const response = await sendRequest({ endpoint, path, seconds: REQUEST_SECONDS, signal });
      if (response === undefined) return `no response from ${path}`;
      if (response.status !== 200) return `status ${response.status} from ${path}`;
      if (digestOf(Buffer.from(response.body)) !== digest) return `different content at ${path}`;
      checked += 1;
    }
    for (const [digest, size] of blobs) {
      const stored = await site.store.size(digest);
      if (stored !== size)
        return `blob ${digest} of ${repository} has ${counted(stored ?? 0, 'byte')} instead of ${size}`;
      seen.set(digest, size);
    }
  }
  const bytes = [...seen.values()].reduce((sum, size) => sum + size, 0);
  return {
    passed: `${counted(checked, 'manifest')} and ${counted(seen.size, 'blob')}, ${formatBytes(bytes)}`,
  };
}
