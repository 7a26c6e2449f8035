import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { StowageError } from '../../core/error.ts';
import { exists, writeNew } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import type { AlgorithmName } from '../../trust/algorithm.ts';
import { encodeCertificate } from '../../trust/certificate-file.ts';
import { throwawayAuthority } from '../../trust/certificate-issue.ts';
import { encodePrivateKey } from '../../trust/key.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { newPassphrase, type PassphraseOptions } from './passphrase.ts';

export interface PkiOptions extends PassphraseOptions {
  readonly organization: string;
  readonly algorithm: AlgorithmName;
  /** Prompt for a passphrase if no option gives one. */
  readonly encrypt?: boolean;
}

export async function pki(
  folder: string,
  options: PkiOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const place = context.path(folder);
  await requireNone(place);
  const passphrase = await newPassphrase(options, context);
  const { root, release } = throwawayAuthority(
    options.organization,
    context.now(),
    [randomBytes(16), randomBytes(16)],
    options.algorithm,
  );
  await makeFolder(place, 0o700);
  for (const [name, issued] of [
    ['root', root],
    ['release', release],
  ] as const) {
    await writeNew(join(place, `${name}.pem`), Buffer.from(encodeCertificate(issued.certificate)));
    await writeNew(
      join(place, `${name}.key.pem`),
      Buffer.from(encodePrivateKey(issued.key, passphrase)),
      0o600,
    );
  }
  const { fingerprint } = root.certificate;
  return {
    json: { folder: place, root: join(place, 'root.pem'), fingerprint },
    text: `${place}: root.pem, root.key.pem, release.pem, release.key.pem
  fingerprint of root.pem (SHA-256): ${fingerprint}
  for trials only; for production, see the key ceremony in signing/
`,
  };
}

/** @throws StowageError `output-exists` if the folder has keys or certificates: they are never overwritten */
async function requireNone(place: string): Promise<void> {
  for (const name of ['root.pem', 'root.key.pem', 'release.pem', 'release.key.pem']) {
    if (!(await exists(join(place, name)))) continue;
    throw new StowageError('output-exists', `${join(place, name)} exists already`, {
      expected: 'a folder without root and release files',
      found: name,
      hint: 'choose another folder, or move the old keys away',
    });
  }
}
