import { type ErrorCode, type ExitStatus, errorCodes, exitStatus } from './error.ts';
import { type Explained, explained } from './explained.ts';
import { refusals } from './refusal-table.ts';

/** A code with all that a person wants to know about it. */
export interface ErrorEntry extends Explained {
  readonly code: ErrorCode;
  readonly exitStatus: ExitStatus;
}

/** What each exit status means. */
export const statusMeanings: Readonly<Record<keyof typeof exitStatus, string>> = {
  failed: 'failed',
  usage: 'a command or option that does not exist',
  rolledBack: 'the new generation did not pass, and what ran before runs again',
  untrusted: 'not trusted: signatures, contents or age of the bundle',
  locked: 'another command is at work',
  unfit: 'the host is not fit',
  interrupted: 'interrupted',
};

/**
 * Cause and remedy of each code, true wherever it is thrown; the message of an error says more of its case, and so do the
 * tables in the folders' READMEs.
 */
const table: Readonly<Record<ErrorCode, Explained>> = {
  internal: explained(
    'a defect of Stowage: something that nobody foresaw',
    'report it with the command and the message',
  ),
  'manifest-invalid': explained(
    'the manifest has a field that is unknown, missing or wrong, or a source that cannot be read',
    'mend what the error lists; at a site tell the release engineer',
  ),
  'lock-invalid': explained(
    'the lock was edited by hand, or is of another version',
    'run stowage lock again',
  ),
  'lock-stale': explained(
    'there is no lock, or manifest, files or findings are no longer as they were when it was made',
    'run stowage lock, or put the files back as they were',
  ),
  'plan-stale': explained(
    'what runs, site.yaml, a secret or the host is no longer as it was when the plan was made',
    'make the plan again, read it, and have it approved where the site asks for that',
  ),
  'plan-unapproved': explained(
    'the site applies a plan only when it was approved',
    'have the plan signed with stowage approve by somebody whom the site trusts with that',
  ),
  'site-invalid': explained(
    'site.yaml has a field that is unknown or wrong, or lacks a value that a release needs',
    'set or mend in site.yaml what the error lists',
  ),
  'document-invalid': explained(
    'a file is not of the form that it must have, or belongs to another bundle',
    'mend the file that the error names if it is yours; else get it again from who made it',
  ),
  'path-unsafe': explained(
    'a name that not every system can hold, that leads out of its folder, or that cannot be mounted',
    'rename it where it comes from, leave it out, or choose another path',
  ),
  'digest-malformed': explained(
    'a digest that is cut off, mistyped or of another algorithm',
    'copy the whole digest, with its algorithm, from where it was published',
  ),
  'source-not-found': explained(
    'no such repository, revision, file or platform, one that is private, or globs that leave no file',
    'check the spelling in the manifest, and sign in if it is private',
  ),
  'source-unreachable': explained(
    'a source that does not answer, answers with a failure of its own, or ends early',
    'run the same command again: what came is kept; check the network and HTTPS_PROXY',
  ),
  'source-denied': explained(
    'a source that wants other credentials, or credentials that could not be had',
    'sign in with an account that may read it, as the hint says',
  ),
  'source-gated': explained(
    'a model whose licence must be accepted first',
    'accept it on the page of the model, and set HF_TOKEN to a token of that account',
  ),
  'source-mismatch': explained(
    'what came is not what the digest says, or it changed on the way; nothing of it is kept',
    'run the same command again; if it stays so, the source changed or something alters it',
  ),
  'source-malformed': explained(
    'a source whose answer cannot be understood',
    'try again later; if it stays so, ask who runs or published it',
  ),
  'source-unsupported': explained(
    'a source of a kind that is not carried, or one for which git is needed and absent',
    'do what the hint says, or fetch it yourself and name its folder',
  ),
  'content-refused': explained(
    'something that may not cross: it runs when it is read, breaks its format, tells a secret or is too large',
    'do what the error says of each file; stowage help findings explains each rule',
  ),
  'upstream-unsigned': explained(
    'the manifest requires a signature of the publisher, and there is none',
    'ask the publisher for one, or take a revision that has it',
  ),
  'upstream-refused': explained(
    'the signature of a publisher does not hold, or is of another signer or content',
    'do not carry it before the publisher explains it; check the key in the manifest',
  ),
  'space-insufficient': explained(
    'too few free bytes, seen before the first is written or on the way',
    'free the bytes that the error names and run the same command again: what is finished is kept',
  ),
  'output-exists': explained(
    'what would be written is there already; nothing is ever overwritten',
    'choose another name, or move the old one away',
  ),
  'file-missing': explained(
    'a file or folder that is not there, or an empty folder',
    'check the path, and that the medium is mounted; the hint says what makes the file',
  ),
  'io-failed': explained(
    'no permission, a failing or read-only disk, a file larger than it may be, or a reader that ended',
    'mend what the error names, and run the same command again',
  ),
  'blob-damaged': explained(
    'a blob in the store is gone, or is no longer what its name says',
    'remove the file that the error names and run again; at a site import the bundle again; check the disk',
  ),
  'key-invalid': explained(
    'a private key that cannot be used: passphrase, format or kind, another certificate, or a token that failed',
    'name the key of that certificate and give its passphrase; signing/KEYS.md says which keys count',
  ),
  'bundle-absent': explained(
    'no bundle in that folder, or no folder',
    'name the folder that holds SHA512SUMS and bundle.json; check that the medium is mounted',
  ),
  'bundle-incomplete': explained(
    'parts of the bundle lie on discs that were not given',
    'run the same command with the other discs: what was taken in is kept',
  ),
  'disc-too-small': explained(
    'a disc cannot hold what each must, or there are too many',
    'choose larger discs, or pack with a smaller --part-size',
  ),
  'medium-lost': explained(
    'a medium went away while it was read',
    'put it in again and run the same command: what is finished is kept',
  ),
  'stream-ended': explained(
    'a stream ended before its last byte',
    'see why the other side stopped, and stream the bundle again: finished parts are not written again',
  ),
  'state-damaged': explained(
    'a file of the site is gone, or is not what the site wrote',
    'do what the hint says: restore it from a backup, or import the bundle again; never delete the ledger',
  ),
  'engine-failed': explained(
    'podman, docker or systemd refused, hung or was ended, or made something else than it was told',
    'read its last lines in the error, put that right on this host, and run the same command again',
  ),
  'gate-failed': explained(
    'a service did not become ready, or did not answer as it should',
    "send what was expected and found, and the service's last lines, to the release engineer",
  ),
  'rollback-failed': explained(
    'a step could not be undone, so the site is between two generations',
    'mend what the error names and run stowage status: the next command goes on undoing',
  ),
  'registry-unreachable': explained(
    'no connection to the registry of the site, or one that ended early',
    'check the registry and run the same command again: nothing is sent twice',
  ),
  'registry-denied': explained(
    'no credentials for the registry of the site, or those of a user who may not push there',
    'sign in with podman login; in Harbor make the project first',
  ),
  'registry-refused': explained(
    'the registry of the site did not take something, such as a blob larger than it allows',
    'do what the hint says; the log of the registry says why',
  ),
  'release-unknown': explained(
    'a release that the site does not have, or that does not run there',
    'stowage status names what there is; stowage import brings a bundle in',
  ),
  'generation-unknown': explained(
    'a generation that the site does not have',
    'stowage history names the generations that it can return to',
  ),
  'usage-invalid': explained(
    'a command or option that does not exist, or a value that cannot be used',
    'stowage help names the commands, stowage help COMMAND its options',
  ),
  'rolled-back': explained(
    'the new generation failed; what ran before runs again',
    'send the error to the release engineer; nothing has to be repaired at the site',
  ),
  'site-locked': explained(
    'another command is at work at this site',
    'wait until it ends; if it hangs, end the process that the error names',
  ),
  'store-locked': explained(
    'another command uses the store that is to be pruned',
    'wait until it ends',
  ),
  'host-unfit': explained(
    'the host lacks something: podman or docker, a free port, memory, a GPU, a release that is required, an algorithm',
    'mend each point that the error lists; stowage doctor shows what the host can do',
  ),
  interrupted: explained(
    'Ctrl-C, or a signal that ended the command',
    'run the same command again: it goes on, or undoes what was begun',
  ),
  ...refusals,
};

/** Every code, by exit status. */
export const errorTable: readonly ErrorEntry[] = Object.entries(errorCodes).flatMap(
  ([status, codes]) =>
    codes.map((code) => ({
      code,
      exitStatus: exitStatus[status as keyof typeof exitStatus],
      ...table[code],
    })),
);
