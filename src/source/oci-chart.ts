import { fieldsOf, listOf, textOf } from '../core/json.ts';
import { counted } from '../core/text.ts';
import type { LockedBlob } from '../format/locked-content.ts';
import { chartTypes } from '../format/rendered-content.ts';
import { malformed, parseRemote } from '../net/http-response.ts';
import { readDescriptor } from './oci-manifest.ts';
import type { Reader } from './oci-reader.ts';
import { parseReference, repositoryName } from './reference.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const MAX_CONFIG_BYTES = 1_048_576;

/** A chart in a registry. */
export interface ResolvedChart {
  /** `registry/repository`. */
  readonly repository: string;
  readonly manifest: LockedBlob;
  /** Its exact bytes. */
  readonly bytes: Buffer;
  /** The config, the archive and, if there is one, the signature file. */
  readonly blobs: readonly LockedBlob[];
  readonly archive: LockedBlob;
}

/**
 * Resolves a chart in a registry.
 * @param reference with a tag or a digest
 * @param maxBytes of the archive
 * @throws StowageError `source-not-found`, `source-malformed` for other content than a chart, other `source-*`
 */
export async function resolveChart(
  reader: Reader,
  { reference, maxBytes }: { readonly reference: string; readonly maxBytes: number },
  signal: AbortSignal,
): Promise<ResolvedChart> {
  const place = parseReference(reference);
  const found = await reader.manifest(place, place.digest ?? place.tag ?? 'latest', signal);
  const { bytes, digest, asked } = found;
  const fields = fieldsOf(parseRemote(bytes, asked));
  const refused = (expected: string, seen: string): Error =>
    malformed(asked, { expected, found: seen });
  const blob = (value: unknown, max: number): LockedBlob => {
    const each = readDescriptor(fieldsOf(value), asked);
    if (each.size > max) throw refused(`at most ${max} bytes`, counted(each.size, 'byte'));
    return each;
  };
  const config = blob(fields['config'], MAX_CONFIG_BYTES);
  if (config.mediaType !== chartTypes.config)
    throw refused(
      `a Helm chart: a config of type ${chartTypes.config}`,
      config.mediaType || 'no config',
    );
  const layers = listOf(fields['layers']).map((each) => blob(each, maxBytes));
  const contents = layers.filter(({ mediaType }) => mediaType === chartTypes.content);
  const others = layers.filter(({ mediaType }) => mediaType !== chartTypes.content);
  const [archive] = contents;
  const strange = others.find(({ mediaType }) => mediaType !== chartTypes.provenance);
  if (archive === undefined || contents.length > 1 || others.length > 1 || strange !== undefined)
    throw refused(
      'one layer with the chart, and at most one with its signature',
      strange?.mediaType ??
        `${counted(contents.length, 'chart')} and ${counted(others.length, 'signature')}`,
    );
  return {
    repository: repositoryName(place),
    manifest: {
      ...{ digest, size: bytes.length },
      mediaType: textOf(fields['mediaType'], 255) ?? (found.contentType || MANIFEST),
    },
    ...{ bytes, archive, blobs: [config, archive, ...others] },
  };
}
