import type { errorCodes } from './error.ts';
import { type Explained, explained } from './explained.ts';

type Refusal = (typeof errorCodes)['untrusted'][number];

const NOT_THIS_BUNDLE = 'do not use the bundle; ask who packed it for another copy';
const STOP = 'stop and tell the security officer; keep the media';

/** Cause and remedy of the codes that say that something is not trusted. */
export const refusals: Readonly<Record<Refusal, Explained>> = {
  'certificate-invalid': explained(
    'a certificate outside the profile, not valid when it signed or not meant for that; or a file that holds none',
    'give the right certificate, or have one issued within the profile in signing/KEYS.md and sign again',
  ),
  'signature-missing': explained(
    'no signature lies beside the content',
    'copy the signatures along with it, or have it signed with stowage sign',
  ),
  'signature-malformed': explained(
    'a signature file is not what signing writes, or there are more than any policy asks for',
    'fetch the signatures again from the signer, and copy them as binary files',
  ),
  'signature-invalid': explained(
    'a signature is of other content, of another key, or from the future',
    'check the clock, and fetch content and signatures again; if it stays so, tell the signer',
  ),
  'signer-untrusted': explained(
    'no pinned root certifies the signer, it is revoked, or it is another site',
    'check that the bundle is for this site; if it is, ask the security officer for the next trust document',
  ),
  'algorithm-refused': explained(
    'a key or signature by an algorithm that is not accepted, or that this runtime cannot compute',
    'sign with an accepted algorithm; verify with the installer that travels in the bundle',
  ),
  'threshold-unmet': explained(
    'fewer keys signed than must, or none by an algorithm that is required',
    'copy all signature files; if that is all, have further people sign',
  ),
  'trust-missing': explained(
    'the site has no trust document yet',
    'give the root certificate of the security officer with --trust, and its fingerprint from paper',
  ),
  'trust-unconfirmed': explained(
    'the fingerprint on paper was not given, or is another',
    'compare it with the paper; if it differs, stop and ask the security officer',
  ),
  'trust-conflict': explained(
    'another root or trust document than the site has, or a chain of documents that does not hold',
    'leave --trust away at a site that has its trust; else ask the security officer for the whole chain',
  ),
  'checksums-malformed': explained('SHA512SUMS is not what Stowage writes', NOT_THIS_BUNDLE),
  'index-malformed': explained('bundle.json is not what Stowage writes', NOT_THIS_BUNDLE),
  'index-mismatch': explained('SHA512SUMS and bundle.json disagree', NOT_THIS_BUNDLE),
  'part-damaged': explained(
    'a file is not what was signed, or cannot be read',
    'copy that file again from where the bundle is whole; every other file is judged by itself',
  ),
  'part-missing': explained(
    'a file that belongs to the bundle is not there',
    'copy it again from where the bundle is whole, or give all discs',
  ),
  'bundle-mixed': explained(
    'discs of different bundles lie together',
    'take the discs of one bundle: stowage inspect says of each what it is of',
  ),
  'file-unexpected': explained(
    'a file that nobody signed lies in the bundle, or the folder holds more than a bundle',
    "name the bundle's own folder; find out who put it there, and copy the bundle to an empty folder",
  ),
  'file-kind': explained(
    'a link, device, pipe or folder where a plain file must be',
    'put the file itself there: copy the bundle again as plain files',
  ),
  'archive-refused': explained(
    'a tar with links, unsafe names, the same name twice, or too much in it',
    NOT_THIS_BUNDLE,
  ),
  'stream-refused': explained(
    'the stream is not what stowage stream writes',
    'pipe it unchanged; if it was, find out what stands between the two sides',
  ),
  'release-rollback': explained(
    'the number of the bundle is lower than one that was accepted, or than the trust document allows',
    'to go back use stowage rollback; else ask for a bundle with a higher number',
  ),
  'release-equivocation': explained('two different bundles claim the same number', STOP),
  'release-leap': explained(
    'the number of the bundle is far above the last, and would keep out what follows',
    'ask the release engineer whether it is meant, before anything else',
  ),
  'release-foreign': explained(
    'a channel or platform that the site or its trust document does not take',
    'check that it is the bundle for this site; site.yaml names its channels',
  ),
  'release-expired': explained(
    'the newest signature is older than the trust document lets in',
    "check the host's clock; if it is right, have the bundle signed again",
  ),
  'release-recalled': explained(
    'a signed bundle recalled this version',
    'install a version that was not recalled, or return to one with stowage rollback',
  ),
};
