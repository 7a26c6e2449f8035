import { StowageError } from '../core/error.ts';

/** A signature file, with its name on the media. */
export interface SignatureFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Bytes, and the signatures over them. */
export interface SignedContent {
  readonly content: Uint8Array;
  readonly signatures: readonly SignatureFile[];
}

/** The error for a file that is not in the format of signatures. */
export function malformed(defect: string): StowageError {
  return new StowageError('signature-malformed', 'the signature file is malformed', {
    expected: 'a detached CMS signature in DER by one signer, as stowage sign writes it',
    found: defect,
    hint: 'get the signature file again from the signer, and copy it as a binary file',
  });
}

/** The error for a well-formed signature that is invalid. */
export function invalid(message: string, expected: string, found: string): StowageError {
  return new StowageError('signature-invalid', message, {
    expected,
    found,
    hint: 'do not use this content; get it and its signatures again from their source, and tell the signer if that does not help',
  });
}

/** The error for a signature by an algorithm that is not accepted. */
export function refusedAlgorithm(expected: string, found: string): StowageError {
  return new StowageError('algorithm-refused', 'the algorithm of the signature is not accepted', {
    expected,
    found,
    hint: 'ask the signer to sign with an algorithm that the trust document allows',
  });
}

/** Runs an action, and prefixes the message of its error. */
export function prefixing<T>(prefix: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    const { code, message, expected, found, hint, defects, cause } = error;
    throw new StowageError(code, `${prefix}: ${message}`, {
      ...(expected === undefined ? {} : { expected }),
      ...(found === undefined ? {} : { found }),
      hint,
      defects,
      cause,
    });
  }
}
