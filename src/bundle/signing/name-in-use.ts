import { StowageError } from '../../core/error.ts';
import { allAlgorithms } from '../../trust/algorithm.ts';
import { verifyDetached } from '../../trust/cms-verify.ts';
import { readSignature } from '../bundle-files.ts';

/**
 * The error for a signature's path that is in use.
 * @param content what it is to sign: tells whose signature is there
 */
export async function nameInUse(path: string, content: Buffer): Promise<StowageError> {
  return new StowageError('output-exists', `${path} exists already`, {
    expected: 'an unused file name',
    found: await signatureAt(path, content),
    hint: 'to add a signature of another signer, choose another --name; to replace this one, remove the file first',
  });
}

async function signatureAt(path: string, content: Buffer): Promise<string> {
  try {
    const bytes = await readSignature(path);
    const { certificate } = verifyDetached(bytes, content, new Set(allAlgorithms));
    return `a signature by ${certificate.subject}, issued by ${certificate.issuer}`;
  } catch (error) {
    if (error instanceof StowageError)
      return 'a file that is not a valid signature of this content';
    throw error;
  }
}
