import { findDiscs } from '../../bundle/discs.ts';
import { viewBundle } from '../../bundle/inspect/bundle-view.ts';
import { readRendered } from '../../bundle/inspect/comparable.ts';
import { isNoticeFolder } from '../../bundle/notice/read-notice.ts';
import { type Acceptance, addSignature, openForSigning } from '../../bundle/signing/sign.ts';
import { powersShown } from '../../content/rendered.ts';
import { requireSigner } from '../../trust/chain.ts';
import { signDetached } from '../../trust/cms-sign.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { attach, prepare, signByCommand } from './sign-elsewhere.ts';
import {
  type ChosenSigner,
  checkOptions,
  nameOf,
  readIdentity,
  readKey,
  type SignOptions,
  signedResult,
} from './signing-key.ts';
import { readTrustFile } from './trust-option.ts';

/** How many powers of one item are shown before a signature. */
const MAX_SHOWN = 20;

export async function sign(
  folder: string,
  options: SignOptions,
  context: CommandContext,
): Promise<CommandResult> {
  checkOptions(options);
  const acceptance = await acceptanceOf(options, context);
  if (options.attach !== undefined) return attach(folder, options, acceptance, context);
  const chosen = { ...(await chooseSigner(options, context)), acceptance };
  await showPowers(folder, context);
  if (options.prepare !== undefined) return prepare(folder, options, chosen, context);
  if (options.signerCommand !== undefined) return signByCommand(folder, options, chosen, context);
  return signByFile(folder, options, chosen, context);
}

/** Shows, before the signature, what charts and objects may do in the clusters of sites: whoever signs agrees to it. */
async function showPowers(folder: string, context: CommandContext): Promise<void> {
  if (await isNoticeFolder(context.path(folder))) return;
  const view = await viewBundle(await findDiscs([context.path(folder)]), context);
  const { charts = [], objects = [] } = view.bundle;
  const items = [...charts, ...objects];
  if (items.length === 0) return;
  const seen = { objects: await readRendered(view) };
  for (const item of items) {
    const powers = powersShown(item, seen);
    if (powers.length === 0) continue;
    const more = powers.length - MAX_SHOWN;
    context.emit({
      type: 'warning',
      message: [
        `${item.name} has ${powers.length} powers beyond its namespace:`,
        ...powers.slice(0, MAX_SHOWN),
        ...(more > 0 ? [`and ${more} more`] : []),
      ].join('\n  '),
      hint: `stowage inspect --all ${folder} shows all of them`,
    });
  }
}

async function signByFile(
  folder: string,
  options: SignOptions,
  { identity, name, acceptance }: ChosenSigner,
  context: CommandContext,
): Promise<CommandResult> {
  const place = context.path(folder);
  const { now } = acceptance;
  const bundle = await openForSigning(place, name);
  requireSigner({ intermediates: [], ...identity, signingTime: now });
  const key = await readKey(options.key ?? '', options, context);
  const signature = signDetached(bundle.checksums, { ...identity, key }, now);
  const path = await addSignature(bundle, signature, acceptance);
  return signedResult(path, identity.certificate);
}

/** Without `--trust`, a signature is checked as far as that is possible without the root. */
async function acceptanceOf(
  { trust, role }: SignOptions,
  context: CommandContext,
): Promise<Acceptance> {
  const now = context.now();
  if (trust === undefined) return { now };
  return { now, by: { trust: (await readTrustFile(trust, context)).trust, role } };
}

async function chooseSigner(
  options: SignOptions,
  context: CommandContext,
): Promise<Omit<ChosenSigner, 'acceptance'>> {
  const { certificate = '', algorithm, name, role } = options;
  const chosen = { certificate, ...(algorithm === undefined ? {} : { algorithm }) };
  const identity = await readIdentity(chosen, context);
  return { identity, name: nameOf(identity, name, role) };
}
