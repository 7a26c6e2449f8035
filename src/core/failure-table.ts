/** Cause and remedy of the codes that end a command with exit status 1. */
export const failures = {
  internal: {
    cause: 'a bug in Stowage: it reached a state that should not occur',
    remedy: 'report it with the command, the full message and the output of stowage --version',
  },
  'manifest-invalid': {
    cause:
      'the manifest has an unknown, missing or invalid field, or a source that cannot be parsed',
    remedy: 'fix each line that the error lists; at a site, send the error to the release engineer',
  },
  'lock-invalid': {
    cause: 'the lock was edited by hand, or written by another version of Stowage',
    remedy: 'restore it from version control, or run stowage lock again',
  },
  'lock-stale': {
    cause:
      'there is no lock, or the manifest, a local file or a finding has changed since it was made',
    remedy: 'run stowage lock again, or restore the files that changed',
  },
  'version-reused': {
    cause: 'the content has changed since an earlier lock, but the version has not',
    remedy:
      'raise version in the manifest, and run stowage lock again; stowage pack --same-version records why it must stay',
  },
  'rehearsal-failed': {
    cause:
      'a check or an evaluation failed, or a service tried to reach something that is not in knownEgress',
    remedy:
      'stop each attempt with the setting that is named, or list it in knownEgress with a reason, and rehearse again',
  },
  'bundle-signed': {
    cause: 'the bundle is signed already, and the command would change what was signed',
    remedy: 'pack the bundle again, attach what belongs to it, and sign it last',
  },
  'rehearsal-unsupported': {
    cause: 'a release of this kind, or for this target, cannot be rehearsed',
    remedy:
      'rehearse releases that have services, on podman, docker or kubernetes; the same images and settings run elsewhere',
  },
  'plan-stale': {
    cause:
      'the plan was already applied, or the running release, site.yaml, a secret or the host has changed since it was made',
    remedy:
      'if it was applied, nothing; otherwise make a new plan, review it, and have it approved again if the site requires approval',
  },
  'plan-unapproved': {
    cause: 'this site applies approved plans only, and the plan has no valid approval',
    remedy: 'have an authorized person approve the plan with stowage approve',
  },
  'site-absent': {
    cause:
      'the folder is not that of a site: it is the wrong folder or user, or nothing was imported yet',
    remedy:
      'give the folder of the site with --site, or run as its owner; stowage import creates a site',
  },
  'site-invalid': {
    cause: 'site.yaml has an unknown or invalid field, or lacks a value that a release requires',
    remedy: 'set or correct the fields of site.yaml that the error lists',
  },
  'document-invalid': {
    cause: 'a file does not have the required format, or belongs to another bundle',
    remedy:
      'fix the file that the error names if it is yours; otherwise get a new copy from its author',
  },
  'format-newer': {
    cause: 'a newer version of Stowage wrote the bundle, the site or the file',
    remedy:
      'use a newer version of Stowage: the installer in that bundle, or in the bundle installed last',
  },
  'path-unsafe': {
    cause: 'a file name is not portable, points outside its folder, or cannot be mounted',
    remedy: 'rename the file at its source, exclude it, or choose another path',
  },
  'digest-malformed': {
    cause: 'a digest is truncated, mistyped, or uses an unsupported algorithm',
    remedy: 'copy the whole digest, including its algorithm, from where it was published',
  },
  'source-not-found': {
    cause:
      'a repository, revision, file or platform does not exist or is private, or no file matches',
    remedy: 'check the spelling and the globs in the manifest; sign in if the source is private',
  },
  'source-unreachable': {
    cause: 'a source does not answer, reports a server error, or closed the connection early',
    remedy:
      'check the network and HTTPS_PROXY, and run the same command again: the download resumes',
  },
  'source-denied': {
    cause: 'a source rejected the credentials, or the credentials could not be obtained',
    remedy: 'sign in with an account that has read access; the hint says how',
  },
  'source-gated': {
    cause: 'the license of the model must be accepted before it can be downloaded',
    remedy:
      "accept the license on the model's page, and set HF_TOKEN to a token of the same account",
  },
  'source-mismatch': {
    cause: 'content does not have the expected digest or size, and was discarded',
    remedy:
      'run the same command again; if it still fails, the source changed or a proxy alters the data',
  },
  'source-malformed': {
    cause: 'a response or file of a source cannot be parsed',
    remedy: 'try again later; if it still fails, contact the operator or publisher of the source',
  },
  'source-unsupported': {
    cause: 'this kind of source is not supported, or it requires git and git is not installed',
    remedy: 'follow the hint, or download the files yourself and use their folder as the source',
  },
  'chart-failed': {
    cause:
      'objects cannot be rendered by helm or kubectl, or are not objects of the Kubernetes API',
    remedy: 'correct the values or the template that the error names; try it with helm template',
  },
  'chart-unsupported': {
    cause:
      'a chart computes with a value of the site, renders differently each time, asks the cluster, or has a hook that no site runs',
    remedy:
      'set the value that the error names, turn that part of the chart off, or leave the object out',
  },
  'content-refused': {
    cause:
      'a file can execute code when it is loaded, is malformed, contains a secret, or is too large',
    remedy: 'read what the error says about each file; stowage help findings explains every rule',
  },
  'upstream-unsigned': {
    cause: "the manifest requires the publisher's signature, and there is none",
    remedy: 'ask the publisher to sign, or use a revision that is signed',
  },
  'upstream-refused': {
    cause: "the publisher's signature is invalid, or is for other content or by another signer",
    remedy:
      'check the key in the manifest; do not use the content until the publisher explains the mismatch',
  },
  'space-insufficient': {
    cause: 'there is not enough free disk space',
    remedy:
      'free the bytes that the error names, and run the same command again: finished files are kept',
  },
  'output-exists': {
    cause: 'the output already exists; Stowage never overwrites files',
    remedy: 'choose another name, or move the existing output to another place',
  },
  'file-missing': {
    cause: 'a file or folder does not exist or is of another kind, or a folder is empty',
    remedy: 'check the spelling of the path, and the folder in which you run the command',
  },
  'io-failed': {
    cause:
      'a read or write failed: no permission, a read-only or failing disk, a size limit, or a closed pipe',
    remedy: 'fix the problem that the error names, and run the same command again',
  },
  'blob-damaged': {
    cause: 'a file in the store is missing, or its content does not match its digest',
    remedy:
      'at a site, run stowage store verify --repair MEDIUM; elsewhere, remove the file and run the command again; check the disk',
  },
  'key-invalid': {
    cause:
      'a private key cannot be used: wrong passphrase, format, type or certificate, or the token failed',
    remedy:
      'give the key that belongs to the certificate, and its passphrase; signing/KEYS.md describes both',
  },
  'bundle-absent': {
    cause: 'the folder does not exist, or does not contain a bundle',
    remedy:
      'give the folder that contains SHA512SUMS and bundle.json; check that the medium is mounted',
  },
  'part-missing': {
    cause: 'a file of the bundle is missing, or the medium changed or shortened its name',
    remedy:
      'copy it again from a complete bundle, or give all discs; for changed names, write the disc with Rock Ridge',
  },
  'bundle-incomplete': {
    cause: 'some parts of the bundle are on discs that have not been read',
    remedy: 'run the same command with the remaining discs: imported files are kept',
  },
  'disc-too-small': {
    cause:
      'a disc cannot hold the files that every disc needs, or too many discs would be required',
    remedy: 'use larger discs, pack with a smaller --part-size, or pack without installers',
  },
  'medium-lost': {
    cause: 'a medium was removed or disconnected while it was being read',
    remedy: 'insert it again and run the same command: finished files are kept',
  },
  'stream-ended': {
    cause: 'the stream ended before the bundle was complete',
    remedy:
      'find out why the sender stopped, and stream again: finished parts are not written again',
  },
  'state-damaged': {
    cause: 'a state file of the site is missing, or was changed outside Stowage',
    remedy:
      'follow the hint: restore the file from a backup, or import again; never delete the ledger',
  },
  'site-exposed': {
    cause:
      "another user owns or can write part of the site's folder or path, or a link replaces a part of it",
    remedy:
      'run the command as the user of the site; if that is you, find out what was changed, then follow the hint',
  },
  'receipt-unwritten': {
    cause: 'the change is complete, but its receipt could not be written or signed',
    remedy: 'fix what the error names, then run stowage receipt write; the change is not repeated',
  },
  'engine-failed': {
    cause: 'podman, docker or systemd failed, timed out, or did something other than requested',
    remedy:
      'read its output in the error, fix the problem on this host, and run the same command again',
  },
  'gate-failed': {
    cause: 'a service did not become ready, or did not answer as expected',
    remedy:
      'send the error to the release engineer: it includes the actual answer and the log of the service',
  },
  'apply-unfinished': {
    cause: 'the new generation is current, but something of the previous one could not be removed',
    remedy: 'fix the problem that the error names; the next command removes the rest',
  },
  'rollback-failed': {
    cause: 'a step could not be undone, so the site is between two generations',
    remedy: 'fix the problem that the error names; the next command continues the rollback',
  },
  'registry-unreachable': {
    cause: "the site's registry cannot be reached, or closed the connection early",
    remedy: 'check the registry, and run the same command again: finished blobs are not sent again',
  },
  'registry-denied': {
    cause:
      "there are no valid credentials for the site's registry, or the user is not allowed to push",
    remedy: 'sign in with podman login; in Harbor, create the project first',
  },
  'registry-refused': {
    cause: "the site's registry rejected an upload, for example a blob over its size limit",
    remedy: 'follow the hint; the log of the registry shows the reason',
  },
  'fleet-absent': {
    cause: 'the folder is not that of a fleet: it has no fleet.yaml',
    remedy: 'give the folder of the fleet with --fleet; stowage fleet init creates one',
  },
  'fleet-damaged': {
    cause:
      'a document of the fleet is missing, was edited by hand, or has the marks of a merge conflict',
    remedy: 'restore the file from version control; stowage fleet check lists what does not hold',
  },
  'site-unknown': {
    cause: 'the fleet has no site of this name',
    remedy: 'stowage fleet sites lists the sites; stowage fleet add-site adds one',
  },
  'promotion-blocked': {
    cause: 'what fleet.yaml asks for before a promotion was not shown',
    remedy:
      'add --check to see what is missing; receipts of healthy sites and rehearsals are evidence',
  },
  'scan-failed': {
    cause:
      'the vulnerability scanner is missing, has no database, failed, or printed something else',
    remedy: 'run the scanner by hand; name it with --scanner, and its database with --db',
  },
  'release-unknown': {
    cause: 'the site has no such release, or the release is not running',
    remedy: 'stowage status lists the releases; stowage import adds a bundle',
  },
  'part-unknown': {
    cause: 'the release has no optional part with this name',
    remedy: 'stowage inspect lists the optional parts of a bundle',
  },
  'release-in-use': {
    cause: 'the release is installed, so what it stores cannot be removed',
    remedy: 'stowage uninstall stops and removes it; stowage forget then removes what is stored',
  },
  'service-unknown': {
    cause: 'the installed release has no such service',
    remedy: 'stowage status lists the services of each release',
  },
  'generation-unknown': {
    cause: 'the site has no such generation',
    remedy: 'stowage history lists the generations that you can return to',
  },
} as const;
