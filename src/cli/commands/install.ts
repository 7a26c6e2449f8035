import { install as installBundle } from '../../deploy/install.ts';
import { anchorTrust } from '../../deploy/trust-anchor.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { confirmFingerprint } from './confirm.ts';
import { changeResult, openSite } from './site.ts';
import { readTrustFile } from './trust-option.ts';

export interface InstallOptions {
  readonly trust?: string;
  readonly fingerprint?: string;
  readonly acceptAge?: string;
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
    confirmFingerprint(each, options.fingerprint, context),
  );
  return changeResult(
    await installBundle(context.path(folder), {
      ...opened,
      trust,
      ...(options.acceptAge === undefined ? {} : { acceptAge: options.acceptAge }),
    }),
  );
}
