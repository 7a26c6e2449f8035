import { install as installBundle } from '../../deploy/install.ts';
import { anchorTrust, type GivenTrust, normalizeFingerprint } from '../../deploy/trust-anchor.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { changeResult, openSite } from './site.ts';
import { readTrustFile } from './trust-option.ts';

export interface InstallOptions {
  readonly trust?: string;
  readonly fingerprint?: string;
  readonly root?: string;
}

export async function install(
  folder: string,
  options: InstallOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const opened = openSite(options.root, context);
  const given =
    options.trust === undefined ? undefined : await readTrustFile(options.trust, context);
  const trust = await anchorTrust(await opened.site.trust(), given, (each) =>
    confirm(each, options, context),
  );
  return changeResult(await installBundle(context.path(folder), { ...opened, trust }));
}

/** A person compares with paper: by `--fingerprint`, or by typing on a terminal what the paper begins with. */
async function confirm(
  given: GivenTrust,
  options: InstallOptions,
  context: CommandContext,
): Promise<boolean> {
  if (options.fingerprint !== undefined)
    return normalizeFingerprint(options.fingerprint) === given.fingerprint;
  const { stdin, stderr } = context.terminal;
  if (stdin.isTTY !== true || stderr.isTTY !== true) return false;
  const { createInterface } = await import('node:readline/promises');
  const groups = given.fingerprint.match(/.{8}/g) ?? [];
  stderr.write(
    `This site has no trust document yet. ${given.subject} has the SHA-256 fingerprint\n`,
  );
  stderr.write(`  ${groups.join(' ')}\n`);
  const reader = createInterface({ input: stdin, output: stderr });
  try {
    const answer = await reader.question('Type its last eight digits from your paper: ', {
      signal: context.signal,
    });
    return normalizeFingerprint(answer) === given.fingerprint.slice(-8);
  } finally {
    reader.close();
  }
}
