import type { KeyObject } from 'node:crypto';
import { resolve as resolvePath } from 'node:path';
import { type Digest, digestOf } from '../../core/digest.ts';
import { MAX_TRUST_BYTES } from '../../core/limits.ts';
import type { SignatureDemand, SignatureVerdict } from '../../format/upstream.ts';
import { readBounded } from '../../io/file.ts';
import { decodePem } from '../../trust/pem.ts';
import { type ForeignCertificate, parseForeign } from './foreign-certificate.ts';
import { refuse } from './refusal.ts';
import { readUpstreamKey } from './upstream-key.ts';

/** A demand of the manifest with the files that it names read. */
export interface OpenedDemand {
  readonly demand: SignatureDemand;
  readonly key?: KeyObject;
  /** Empty beside a key. */
  readonly anchors: readonly ForeignCertificate[];
  /** The key of a transparency log. */
  readonly log?: KeyObject;
  readonly trusted: SignatureVerdict['trusted'];
}

const MAX_ANCHORS = 64;

/**
 * Reads the key, roots and log key that a demand names, beside the manifest.
 * @throws StowageError `file-missing`, `file-kind`, `io-failed`; `upstream-refused` for a file that is not what it is named as
 */
export async function openDemand(demand: SignatureDemand, folder: string): Promise<OpenedDemand> {
  const trusted: { path: string; digest: Digest }[] = [];
  const open = async (path: string): Promise<Buffer> => {
    const bytes = await readBounded(resolvePath(folder, path), MAX_TRUST_BYTES);
    trusted.push({ path, digest: digestOf(bytes) });
    return bytes;
  };
  const { key, root, log } = demand;
  const opened = {
    ...(key === undefined ? {} : { key: readUpstreamKey(await open(key), key) }),
    anchors: root === undefined ? [] : anchorsOf(await open(root), root),
    ...(log === undefined ? {} : { log: readUpstreamKey(await open(log), log) }),
  };
  return { demand, ...opened, trusted };
}

function anchorsOf(bytes: Buffer, path: string): ForeignCertificate[] {
  const refused = (found: string): ReturnType<typeof refuse> =>
    refuse(
      `${path} is no file of certificates`,
      'certificates in PEM and nothing else',
      found,
      'name the file that holds the root certificate of the publisher',
    );
  const blocks = decodePem(bytes.toString('latin1'), refused);
  if (blocks.length === 0 || blocks.length > MAX_ANCHORS)
    throw refused(`${blocks.length} certificates`);
  return blocks.map(({ label, bytes: der }) => {
    if (label !== 'CERTIFICATE') throw refused(`a block of ${label}`);
    return parseForeign(der);
  });
}
