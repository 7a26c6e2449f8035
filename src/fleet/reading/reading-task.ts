import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { signatureOf } from '../../bundle/signed-document.ts';
import { StowageError } from '../../core/error.ts';
import { KIB, MAX_SIGNATURE_BYTES } from '../../core/limits.ts';
import { receiptKind } from '../../format/receipt.ts';
import { readBoundedSync } from '../../io/file-sync.ts';
import { rememberedCertificates } from '../../trust/remembered-certificates.ts';
import { misplaced, type RecordedFile, readRecorded } from '../recorded-file.ts';
import { parseSiteDocument } from '../site-document.ts';
import { type VerifiedDocument, verifiedOf } from '../verified-document.ts';

const certificates = rememberedCertificates();

/** A document that came home, or one that the fleet in the folder `root` recorded. */
export type ReadingTask =
  | { readonly file: string }
  | { readonly root: string; readonly recorded: RecordedFile };

/** What came of it. Plain data, as errors are, so that it crosses threads. */
export type ReadingResult =
  | {
      readonly document: VerifiedDocument;
      /** Of one that came home: the document and its signature. */
      readonly bytes?: Uint8Array;
      readonly signature?: Uint8Array;
    }
  | { readonly failure: Failure };

interface Failure extends Pick<StowageError, 'code' | 'message' | 'hint' | 'defects'> {
  readonly expected?: string;
  readonly found?: string;
}

/** Reads a document of a site, verifies its signature, its form and, of a recorded one, its hash and place. */
export function runReading(task: ReadingTask): ReadingResult {
  try {
    return 'file' in task ? readGiven(task.file) : readOwn(task.root, task.recorded);
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    const { code, message, expected, found, hint, defects } = error;
    return {
      failure: {
        ...{ code, message, hint, defects },
        ...(expected === undefined ? {} : { expected }),
        ...(found === undefined ? {} : { found }),
      },
    };
  }
}

/** What threads read ahead of who asks shall stay small, whatever a site sends. */
const MAX_AHEAD_BYTES = 256 * KIB;

/** {@link runReading} for a thread: undefined for a larger document, which whoever asks must read, one at a time. */
export function runAhead(task: ReadingTask): ReadingResult | undefined {
  const file = 'file' in task ? task.file : join(task.root, task.recorded.path);
  return sizeOf(file) > MAX_AHEAD_BYTES ? undefined : runReading(task);
}

/** 0 for a file that cannot be read, which the reading says. */
function sizeOf(file: string): number {
  try {
    return lstatSync(file).size;
  } catch {
    return 0;
  }
}

/** The result of a task in the thread that asked. @throws StowageError that it ended with */
export function resultOf(result: ReadingResult): Exclude<ReadingResult, { failure: Failure }> {
  if (!('failure' in result)) return result;
  const { code, message, ...details } = result.failure;
  throw new StowageError(code, message, details);
}

function readGiven(file: string): ReadingResult {
  const bytes = readBoundedSync(file, receiptKind.maxBytes);
  const signature = readSignature(file);
  return {
    document: verifiedOf(parseSiteDocument(bytes, signature, certificates)),
    bytes,
    signature,
  };
}

function readOwn(root: string, recorded: RecordedFile): ReadingResult {
  const { path } = recorded;
  const bytes = readRecorded(recorded, root);
  const document = verifiedOf(
    parseSiteDocument(bytes, readSignature(join(root, path)), certificates),
  );
  if (document.site !== path.split('/')[1]) throw misplaced(path);
  return { document };
}

function readSignature(file: string): Buffer {
  return readBoundedSync(signatureOf(file), MAX_SIGNATURE_BYTES, 'signature-malformed');
}
