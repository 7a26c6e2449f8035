const NEW_COPY = 'do not use this bundle; ask the release engineer for another copy' as string;

/** Cause and remedy of the codes for what is not trusted: exit status 10. */
export const refusals = {
  'certificate-invalid': {
    cause:
      'a certificate does not meet the requirements or had expired at signing time, or the file has none',
    remedy:
      'use the right certificate, or have one issued as signing/CEREMONY.md describes and sign again',
  },
  'signature-missing': {
    cause: 'the content has no signature',
    remedy: 'copy the signatures together with the content, or have it signed with stowage sign',
  },
  'signature-malformed': {
    cause:
      'a signature file is not in the format that Stowage writes, or there are too many of them',
    remedy: 'get the signatures again from the signer, and copy them as binary files',
  },
  'signature-invalid': {
    cause: 'a signature is for other content, was made with another key, or is dated in the future',
    remedy:
      'check the clock, and copy content and signatures again; if it still fails, ask the signer',
  },
  'signer-untrusted': {
    cause: 'the signer is not certified by a trusted root, or belongs to another site',
    remedy:
      'check that the bundle is for this site; if it is, ask the security officer for the next trust document',
  },
  'signer-revoked': {
    cause: 'the trust document revokes the certificate of the signer, or of its issuer',
    remedy:
      'do not install this release; ask the release engineer for it signed by a signer who is not revoked, and import that',
  },
  'algorithm-refused': {
    cause:
      'a key or signature uses an algorithm that is not accepted, or not supported by this runtime',
    remedy: 'sign with an accepted algorithm; verify with the installer in the bundle',
  },
  'threshold-unmet': {
    cause: 'too few keys signed, or none with a required algorithm',
    remedy: 'copy all signature files; if none is missing, have more people sign',
  },
  'trust-missing': {
    cause: 'the site has no trust document yet',
    remedy:
      "give the security officer's root certificate with --trust, and its fingerprint from paper",
  },
  'trust-unconfirmed': {
    cause: 'the fingerprint of the root certificate was not confirmed, or does not match',
    remedy:
      'compare it with the fingerprint on paper; if they differ, stop and ask the security officer',
  },
  'trust-conflict': {
    cause:
      'the root or trust document is not the one that the site pinned, or a chain of documents is invalid',
    remedy:
      'omit --trust if the site has a trust document; otherwise ask the security officer for every version of it',
  },
  'checksums-malformed': {
    cause: 'SHA512SUMS is not in the format that Stowage writes',
    remedy: NEW_COPY as string,
  },
  'index-malformed': {
    cause:
      'bundle.json, notice.json or a document of a notice is not in the format that Stowage writes',
    remedy: NEW_COPY as string,
  },
  'index-mismatch': {
    cause: 'SHA512SUMS, bundle.json and the manifests in the bundle contradict each other',
    remedy: NEW_COPY as string,
  },
  'part-damaged': {
    cause: 'a file differs from what was signed, or cannot be read',
    remedy:
      'copy the file again from an intact bundle, or try another drive; other files are not affected',
  },
  'bundle-mixed': {
    cause: 'the discs belong to different bundles',
    remedy: 'give the discs of one bundle; stowage inspect shows which bundle a disc belongs to',
  },
  'file-unexpected': {
    cause: 'the folder contains a file that is not part of the signed bundle',
    remedy:
      "give the bundle's own folder; find out who added the file, and copy the bundle to an empty folder",
  },
  'file-kind': {
    cause: 'a link, device, pipe or folder is where a regular file is required',
    remedy: 'replace it with the file itself, or copy the bundle again as regular files',
  },
  'archive-refused': {
    cause: 'an archive contains links, unsafe or duplicate names, or more than the limits allow',
    remedy: NEW_COPY as string,
  },
  'stream-refused': {
    cause: 'the stream differs from what stowage stream writes',
    remedy: 'send it unmodified: nothing between the two sides may pad, convert or truncate it',
  },
  'receipt-refused': {
    cause:
      'a receipt is dated in the future, too old, or contradicts one of the same site that was already used',
    remedy:
      'ask the site for a new one: stowage receipt write; if the clock of the site is wrong, have it set first',
  },
  'release-rollback': {
    cause:
      'the bundle or notice has a lower sequence than one already imported, or than the trust document allows',
    remedy: 'to return to an older version, use stowage rollback; otherwise ask for a newer bundle',
  },
  'release-equivocation': {
    cause: 'two different bundles or notices have the same sequence',
    remedy: 'stop and tell the security officer; keep the media',
  },
  'release-leap': {
    cause:
      'the sequence of the bundle is so far above the last one that it would block later bundles',
    remedy: 'ask the release engineer whether this is intended before you do anything else',
  },
  'release-foreign': {
    cause:
      'the bundle or notice is for another site, or for a channel or platform that this site or its trust document does not accept',
    remedy: 'check that this is the bundle for this site; site.yaml lists its channels',
  },
  'release-expired': {
    cause: 'the newest signature is older than the trust document allows',
    remedy: "check the host's clock; if it is right, have the bundle signed again",
  },
  'rehearsal-missing': {
    cause:
      'the site, or the channel of its trust document, requires a rehearsal, and none that counts is attached to the bundle',
    remedy:
      'read why in the error; ask the release engineer for a bundle of a new lock with its rehearsal attached',
  },
  'rehearsal-late': {
    cause: 'the rehearsal of the release is older than the site or its trust document allows',
    remedy:
      'check the clock of the host; otherwise ask for a bundle of a new lock with its rehearsal attached',
  },
  'release-recalled': {
    cause: 'a signed bundle recalled this version',
    remedy: 'install a version that is not recalled, or return to one with stowage rollback',
  },
} as const;
