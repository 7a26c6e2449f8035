import { basename, dirname } from 'node:path';
import { anchorTrust, type GivenTrust } from '../../bundle/admission/trust-anchor.ts';
import { readChain, trustFileVersion } from '../../bundle/admission/trust-files.ts';
import type { Trust } from '../../format/trust.ts';
import { withSite } from '../../site/applying/change.ts';
import { keepTrust } from '../../site/ledger/keep-trust.ts';
import { walkTrust } from '../../trust/trust-chain.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { confirmFingerprint } from './confirm.ts';
import { openNewSite } from './site.ts';
import { readTrustFile } from './trust-option.ts';

export interface TrustApplyOptions {
  readonly fingerprint?: string;
  readonly root?: string;
}

/**
 * Pins a trust document at a site. The first one needs a confirmed fingerprint; a later one needs a chain of documents
 * next to it that starts at the pinned one.
 */
export async function trustApply(
  file: string,
  options: TrustApplyOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await openNewSite(options.root, context);
  const given = await readTrustFile(file, context);
  return withSite(opened, async (ledger) => {
    const pinned = await opened.site.trust();
    const trust =
      pinned === undefined
        ? await firstTrust(given, options.fingerprint, context)
        : await laterTrust(context.path(file), pinned, given, context.now());
    const changed = await keepTrust(opened.site, ledger, trust, context.now());
    const from = pinned?.version ?? 0;
    return {
      json: { changed, from, version: trust.version, fingerprint: given.fingerprint },
      text: changed
        ? `pinned trust document ${trust.version}${from === 0 ? '' : `, replacing ${from}`}\n  SHA-256 ${given.fingerprint}\n`
        : `nothing to do: trust document ${trust.version} is already pinned\n`,
    };
  });
}

async function firstTrust(
  given: GivenTrust,
  fingerprint: string | undefined,
  context: CommandContext,
): Promise<Trust> {
  const trust = await anchorTrust(undefined, given, (each) =>
    confirmFingerprint(each, fingerprint, context),
  );
  return walkTrust(trust, [], context.now());
}

async function laterTrust(
  path: string,
  pinned: Trust,
  given: GivenTrust,
  now: Date,
): Promise<Trust> {
  const { version } = given.trust;
  // A document that is not newer is compared with the pinned one and never replaces it.
  if (version <= pinned.version) return given.trust;
  const named = trustFileVersion(basename(path));
  if (named !== version)
    throw usage(
      'the file name does not match the version of the trust document',
      `${version}.trust.json, with its signatures and earlier documents next to it`,
      basename(path),
    );
  return walkTrust(
    pinned,
    await readChain(dirname(path), { above: pinned.version, upTo: version }),
    now,
  );
}
