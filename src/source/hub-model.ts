import { StowageError } from '../core/error.ts';
import { type Fields, fieldsOf, sizeOf, textOf } from '../core/json.ts';
import { oneLine } from '../net/address.ts';
import { type Asked, malformed } from '../net/http-response.ts';

/** A file of a model repository, as the Hub lists it. Its path is not checked yet. */
export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** SHA-256 in hex, for files in Git LFS or Xet. */
  readonly lfsSha256?: string;
  /** Git blob SHA-1 in hex, for all others. */
  readonly gitOid?: string;
  /** The verdict of the Hub's scanners: `safe`, `unsafe`, `suspicious`, `queued`, ... */
  readonly hubScan?: string;
}

/** A model repository at one commit. */
export interface HubModel {
  /** `organisation/name`. */
  readonly repository: string;
  readonly endpoint: string;
  /** 40 hex digits. */
  readonly commit: string;
  /** As stated in the model card. */
  readonly license?: string;
  /** Whether an account must accept terms before it can read the files. */
  readonly gated: boolean;
  /** Whether access is granted automatically or by a person; only for gated models. */
  readonly gate?: 'auto' | 'manual';
  readonly tags: readonly string[];
  readonly files: readonly HubFile[];
}

const HEX_40 = /^[0-9a-f]{40}$/;
const HEX_64 = /^[0-9a-f]{64}$/;
const MAX_TAGS = 1000;

/** Reads the Hub's metadata of a model. @throws StowageError `source-malformed` */
export function readModelInfo(
  value: unknown,
  asked: Asked,
): Pick<HubModel, 'commit' | 'license' | 'gated' | 'gate' | 'tags'> {
  const info = fieldsOf(value);
  const commit = textOf(info['sha']);
  if (commit === undefined || !HEX_40.test(commit)) {
    throw malformed(asked, {
      expected: 'a commit of 40 hex digits in sha',
      found: String(commit).slice(0, 80),
    });
  }
  const tags = Array.isArray(info['tags'])
    ? info['tags'].filter((tag) => textOf(tag, 256) !== undefined).slice(0, MAX_TAGS)
    : [];
  const license = readLicense(info['cardData'], tags);
  const answer = info['gated'] ?? false;
  const gate: Pick<HubModel, 'gate'> =
    answer === 'auto' || answer === 'manual' ? { gate: answer } : {};
  return {
    commit,
    gated: answer !== false,
    ...gate,
    tags,
    ...(license !== undefined && { license }),
  };
}

/** The license in the model card: its `license_name` if `license` is `other`. */
function readLicense(cardData: unknown, tags: readonly string[]): string | undefined {
  const card = fieldsOf(cardData);
  const tag = tags.find((each) => each.startsWith('license:'))?.slice('license:'.length);
  const license = textOf(card['license'], 256) ?? tag;
  const named = license === 'other' ? textOf(card['license_name'], 256) : undefined;
  return oneLine(named ?? license ?? '') || undefined;
}

/**
 * Reads one entry of a listing; undefined for a folder.
 * @throws StowageError `source-malformed`, `source-unsupported` for anything but files and folders
 */
export function readTreeEntry(value: unknown, asked: Asked): HubFile | undefined {
  const entry = fieldsOf(value);
  const path = textOf(entry['path']);
  if (path === undefined)
    throw malformed(asked, { expected: 'a path in each entry', found: 'an entry without one' });
  if (entry['type'] === 'directory') return undefined;
  if (entry['type'] !== 'file') throw strange(asked, path, entry['type']);
  if (entry['lfs'] !== undefined && entry['lfs'] !== null) {
    const lfs = fieldsOf(entry['lfs']);
    const size = sizeOf(lfs['size']);
    const oid = textOf(lfs['oid']);
    if (size !== undefined && size === entry['size'] && oid !== undefined && HEX_64.test(oid)) {
      return { path, size, lfsSha256: oid, ...readScan(entry) };
    }
    throw malformed(asked, {
      expected: 'size and SHA-256 of each LFS file',
      found: `otherwise for ${oneLine(path)}`,
    });
  }
  const size = sizeOf(entry['size']);
  const oid = textOf(entry['oid']);
  if (size !== undefined && oid !== undefined && HEX_40.test(oid)) {
    return { path, size, gitOid: oid, ...readScan(entry) };
  }
  throw malformed(asked, {
    expected: 'size and git blob id of each file',
    found: `otherwise for ${oneLine(path)}`,
  });
}

/** The Hub's verdict on a file, in the current or the previous format; undefined if a mirror has none. */
function readScan(entry: Fields): { hubScan?: string } {
  const status = textOf(fieldsOf(entry['securityFileStatus'])['status'], 40);
  if (status !== undefined && /^[a-z][a-z-]*$/i.test(status))
    return { hubScan: status.toLowerCase() };
  const { safe } = fieldsOf(entry['security']);
  return typeof safe === 'boolean' ? { hubScan: safe ? 'safe' : 'unsafe' } : {};
}

function strange({ what }: Asked, path: string, type: unknown): StowageError {
  return new StowageError(
    'source-unsupported',
    `${what} have an entry that is neither file nor folder`,
    {
      expected: 'files and folders',
      found: `${oneLine(path)}: ${oneLine(String(type), 40)}`,
      hint: 'use a repository or commit without submodules and links',
    },
  );
}
