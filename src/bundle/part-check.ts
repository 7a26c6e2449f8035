import { join } from 'node:path';
import { fromBundle } from '../content/items.ts';
import { digestHex, sriHex } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { counted } from '../core/text.ts';
import type { Bundle, BundleBlob } from '../format/bundle.ts';
import { isToolkit } from '../format/installer.ts';
import type { Part } from '../format/part.ts';
import { ioError } from '../io/file.ts';
import { destinationOf, type HashTask, type PartDestination } from '../io/hash-task.ts';
import type { HashPool } from '../io/hashing.ts';
import { PassError } from '../io/positioned.ts';
import { type ByteRange, damagedSpots, spotsInWords } from './damaged-spots.ts';

/** What is wrong with one copy of a part. */
export interface PartFault {
  readonly part: Part;
  /** The folder of the bundle or disc. */
  readonly folder: string;
  /** `part-damaged`, `part-missing` or `file-kind`. */
  readonly error: StowageError;
  /** The damaged ranges, as far as known. */
  readonly ranges: readonly ByteRange[];
  /** Whether no byte of it can be read: the file or its disc is gone. */
  readonly unreadable: boolean;
}

export interface PartCheck {
  readonly bundle: Bundle;
  readonly folder: string;
  /** The name of the disc, where there are several. */
  readonly disc?: string;
  readonly pool: HashPool;
  readonly onBytes: (bytes: number) => void;
}

/**
 * Reads a part once, hashes it and, given a destination, writes it there.
 * @returns what is wrong with it, naming the file inside and the byte range; undefined when it is as signed
 * @throws StowageError `space-insufficient`, `io-failed`, `interrupted`: errors that the medium did not cause
 */
export async function examinePart(
  part: Part,
  check: PartCheck,
  destination?: PartDestination,
): Promise<PartFault | undefined> {
  const path = join(check.folder, part.path);
  const task: HashTask = {
    path,
    size: part.size,
    offset: 0,
    pieces: [
      {
        length: part.size,
        ...(destination && { destination: destinationOf(destination) }),
      },
    ],
    hashes: ['sha512'],
  };
  try {
    const found = (await check.pool.run(task, check.onBytes)).pieces[0]?.sha512;
    if (found === part.sha512) return undefined;
  } catch (error) {
    if (!(error instanceof PassError)) throw error;
    if (error.path !== path) throw ioError(error, error.path);
    return faultOfPass(error, part, check);
  }
  check.onBytes(-part.size);
  return damagedFault(part, check);
}

/** Like {@link examinePart}, but throws the fault. @throws StowageError also `part-damaged`, `part-missing`, `file-kind` */
export async function checkPart(
  part: Part,
  check: PartCheck,
  destination?: PartDestination,
): Promise<void> {
  const fault = await examinePart(part, check, destination);
  if (fault !== undefined) throw fault.error;
}

async function faultOfPass(error: PassError, part: Part, check: PartCheck): Promise<PartFault> {
  const { folder } = check;
  const path = join(folder, part.path);
  const whole = [{ offset: 0, length: part.size }];
  const fault = { part, folder, ranges: whole, unreadable: false };
  switch (error.code) {
    case 'ESIZE':
    case 'ESHORT':
      return { ...fault, error: damaged(part, check, counted(part.size, 'byte'), error.message) };
    case 'EKIND':
    case 'ELOOP':
      return { ...fault, error: wrongKind(part, check) };
    case 'ENOENT':
    case 'ENOTDIR':
      return { ...fault, error: missing(part, check), ranges: [], unreadable: true };
    case 'EACCES':
    case 'EPERM':
      throw ioError(error, path);
    default:
      return damagedFault(part, check, error.code);
  }
}

async function damagedFault(part: Part, check: PartCheck, code?: string): Promise<PartFault> {
  const { folder } = check;
  const spots = await damagedSpots(join(folder, part.path), part);
  const { ranges, unreadable, spans } = spots;
  const expected = code === undefined ? sriHex(part.sha512) : 'a readable medium';
  const found = `${spotsInWords(spots)}${code === undefined ? '' : ` (${code})`}`;
  return {
    ...{ part, folder, ranges, unreadable: unreadable > 0 && unreadable === spans },
    error: damaged(part, check, expected, found),
  };
}

function wrongKind(part: Part, check: PartCheck): StowageError {
  return new StowageError('file-kind', `${named(part, check)} is not a regular file`, {
    expected: 'a regular file',
    found: 'a link, folder, device or pipe',
    hint: 'copy the bundle again as plain files',
  });
}

function missing(part: Part, check: PartCheck): StowageError {
  const { bundle } = check;
  return new StowageError(
    'part-missing',
    `${named(part, check)} is missing: ${contentOf(bundle, part)}`,
    {
      expected: part.path,
      found: 'nothing',
      hint: 'copy this file again from a complete copy; if the medium was removed meanwhile, insert it again',
    },
  );
}

function damaged(part: Part, check: PartCheck, expected: string, found: string): StowageError {
  const { bundle } = check;
  return new StowageError(
    'part-damaged',
    `${named(part, check)} is damaged: ${contentOf(bundle, part)}`,
    {
      expected,
      found,
      hint: 'copy this file again from a complete copy; every other file is checked separately',
    },
  );
}

function named(part: Part, { disc }: PartCheck): string {
  return disc === undefined ? part.path : `${part.path} on ${disc}`;
}

/** What a part contains, by its name in the manifest. */
export function contentOf(bundle: Bundle, part: Part): string {
  const installer = bundle.installers?.find((each) => each.path === part.path);
  if (installer !== undefined)
    return `the ${isToolkit(installer) ? 'toolkit' : 'installer'} for ${installer.platform}`;
  if (part.path.startsWith('parity/')) return 'a recovery part';
  const hex = /[0-9a-f]{64}/.exec(part.path)?.[0];
  const blob = bundle.blobs.find((each) => digestHex(each.digest) === hex);
  const name = blob === undefined ? 'unknown content' : nameOf(bundle, blob);
  return part.size === blob?.size
    ? name
    : `${name}, bytes ${part.offset} to ${part.offset + part.size - 1}`;
}

function nameOf(bundle: Bundle, { digest }: BundleBlob): string {
  const [name] = fromBundle(bundle, (kind, item) => kind.blobName(item, digest) ?? []);
  if (name !== undefined) return name;
  // The index lists neither layers nor the configs of models and files; the manifests that do are parts themselves.
  const [image, ...others] = bundle.images;
  return [
    ...(image === undefined
      ? []
      : [others.length === 0 ? `a layer of image ${image.name}` : 'a layer of an image']),
    ...(bundle.models.length + bundle.files.length === 0
      ? []
      : ['the config of a model or of files']),
  ].join(', or ');
}
