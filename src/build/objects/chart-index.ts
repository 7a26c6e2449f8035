import { type Digest, digestFromHex } from '../../core/digest.ts';
import { messageOf, StowageError } from '../../core/error.ts';
import { fieldsOf, listOf, textOf, textsOf } from '../../core/json.ts';
import { MIB } from '../../core/limits.ts';
import { oneLine } from '../../core/text.ts';
import { readYamlObject } from '../../format/object-stream.ts';
import { pointsToLocal, redactUrl } from '../../net/address.ts';
import type { Http } from '../../net/http.ts';
import { describeHttps } from '../../source/https.ts';
import type { ChartAddress } from './chart-source.ts';

/** The index of a large public repository has 10 MiB. */
const MAX_INDEX_BYTES: number = 32 * MIB;

/** An archive that the index of a repository lists. */
export interface ListedChart {
  readonly url: string;
  /** Absent in an index that states none. */
  readonly digest?: Digest;
}

/**
 * Finds one version of a chart in `index.yaml` of its repository.
 * @throws StowageError `source-not-found` with the versions that are there, `source-malformed`, other `source-*`
 */
export async function findListedChart(
  { url, chart, version }: Extract<ChartAddress, { kind: 'repository' }>,
  http: Http,
  signal: AbortSignal,
): Promise<ListedChart> {
  const index = `${url}/index.yaml`;
  const what = describeHttps(index);
  const asked = { what, url: new URL(index) };
  const { bytes, url: from } = await http.read(asked, MAX_INDEX_BYTES, signal);
  let entries: readonly Readonly<Record<string, unknown>>[];
  try {
    const all = fieldsOf(fieldsOf(readYamlObject(bytes.toString('utf8')))['entries']);
    entries = Object.hasOwn(all, chart) ? listOf(all[chart]) : [];
  } catch (cause) {
    throw malformed(what, 'the index of a chart repository', oneLine(messageOf(cause)));
  }
  const entry = entries.find((each) => each['version'] === version);
  if (entry === undefined) throw unlisted(what, { chart, version }, entries);
  const [first = ''] = textsOf(entry['urls']);
  if (first === '' || !URL.canParse(first, `${url}/`))
    throw malformed(what, 'the address of the archive', oneLine(first) || 'none');
  const archive = new URL(first, `${url}/`);
  if (pointsToLocal(archive, from))
    throw malformed(what, 'the address of another machine', redactUrl(archive));
  const stated = textOf(entry['digest'], 80)?.replace(/^sha256:/, '');
  if (stated !== undefined && stated !== '' && !/^[0-9a-f]{64}$/.test(stated))
    throw malformed(what, 'a SHA-256 digest', oneLine(stated));
  return { url: archive.href, ...(stated ? { digest: digestFromHex(stated) } : {}) };
}

function unlisted(
  what: string,
  { chart, version }: { readonly chart: string; readonly version: string },
  entries: readonly Readonly<Record<string, unknown>>[],
): StowageError {
  const versions = entries.map((each) => oneLine(String(each['version']), 40));
  return new StowageError('source-not-found', `${what} does not list ${chart} ${version}`, {
    expected: `${chart} ${version}`,
    found:
      versions.length === 0
        ? `no chart ${chart}`
        : `${versions.slice(0, 10).join(', ')}${versions.length > 10 ? ', ...' : ''}`,
    hint: 'check the spelling of the repository, the chart and its version',
  });
}

function malformed(what: string, expected: string, found: string): StowageError {
  return new StowageError('source-malformed', `${what} is not the index of a chart repository`, {
    ...{ expected, found },
    hint: 'check the address of the repository; or download the chart with helm pull and give the path of its archive',
  });
}
