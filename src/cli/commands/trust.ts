import { createHash } from 'node:crypto';
import { basename, dirname } from 'node:path';
import {
  anchorTrust,
  type GivenTrust,
  readChain,
  trustFileVersion,
} from '../../bundle/admission/trust-files.ts';
import { placeBeside, signBeside } from '../../bundle/signing/sign-beside.ts';
import { StowageError } from '../../core/error.ts';
import { counted } from '../../core/text.ts';
import type { Role, RoleName, Trust } from '../../format/trust.ts';
import { withSite } from '../../site/applying/change.ts';
import { keepTrust } from '../../site/ledger/site-ledger.ts';
import type { Certificate } from '../../trust/certificate.ts';
import { evaluateSignatures, type SignerVerdict } from '../../trust/policy.ts';
import { walkTrust } from '../../trust/trust-chain.ts';
import { trustRoots } from '../../trust/trust-root.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { confirmFingerprint } from './confirm.ts';
import { signerLines } from './signers.ts';
import { type KeyOptions, nameOf, readIdentity, readKey } from './signing-key.ts';
import { openNewSite } from './site.ts';
import { readDocument, readTrustFile } from './trust-option.ts';

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

/** Signs a trust document; writes `FILE.NAME.p7s`. */
export async function trustSign(
  file: string,
  options: KeyOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const path = context.path(file);
  const { trust, bytes } = await readDocument(file, context);
  const { version } = trust;
  const identity = await readIdentity(options, context);
  const name = nameOf(identity, options.name);
  await placeBeside(path, name, bytes);
  const key = await readKey(options.key, options, context);
  const signer = { ...identity, key };
  const signature = await signBeside({ file: path, bytes, name, signer, now: context.now() });
  const { subject, serial, issuer } = identity.certificate;
  return {
    json: { signature, version, subject, serial, issuer },
    text: `${signature}\n  trust document ${version} (${basename(path)}) signed by ${subject}\n  certificate ${serial}, issued by ${issuer}\n`,
  };
}

/** The verdict on the signatures next to a document, by the document's own rules. */
interface Standing {
  readonly files: number;
  readonly signers: readonly SignerVerdict[];
  /** Why the signatures are not sufficient. */
  readonly defect?: string;
}

/** Shows a trust document: roots, roles, limits, and whether its own signatures are valid. */
export async function trustShow(file: string, context: CommandContext): Promise<CommandResult> {
  const path = context.path(file);
  const { trust, bytes } = await readDocument(file, context);
  const fingerprint = createHash('sha256').update(bytes).digest('hex');
  const roots = trustRoots(trust);
  const standing = await standingOf(path, trust, context.now());
  return {
    json: {
      file: path,
      fingerprint,
      roots: roots.map(({ name, certificate }) => ({ name, ...described(certificate) })),
      signatures: standing,
      trust,
    },
    text: [
      `trust document ${trust.version}, issued ${trust.issuedAt}, ${expiry(trust)}`,
      `  SHA-256 of the document: ${fingerprint}`,
      ...roots.flatMap(({ name, certificate }) => rootLines(name, certificate)),
      ...Object.entries(trust.roles).map(([name, role]) => roleLine(name as RoleName, role)),
      `algorithms: ${trust.algorithms.join(', ')}`,
      `channels: ${trust.channels?.join(', ') ?? 'any'}`,
      ...Object.entries(trust.seqFloor ?? {}).map(
        ([key, floor]) => `${key}: sequence ${floor} or higher`,
      ),
      ...(trust.maxAgeDays === undefined
        ? []
        : [`maximum age of a bundle's newest signature: ${counted(trust.maxAgeDays, 'day')}`]),
      ...Object.entries(trust.rehearsals ?? {}).map(
        ([channel, { maxAgeDays, targets, exceptCharts }]) =>
          `channel ${channel}: a rehearsal from the last ${counted(maxAgeDays, 'day')}, on ${targets?.join(' or ') ?? 'the target of the site'}${exceptCharts === true ? ', of all but charts and objects' : ''}`,
      ),
      ...trust.revoked.map(
        ({ issuer, serial, reason }) => `revoked: ${serial} of issuer ${issuer}: ${reason}`,
      ),
      ...standingLines(standing),
      '',
    ].join('\n'),
  };
}

async function standingOf(path: string, trust: Trust, now: Date): Promise<Standing> {
  const version = trustFileVersion(basename(path));
  if (version === undefined) return { files: 0, signers: [] };
  const range = { above: version - 1, upTo: version };
  const [link] = await readChain(dirname(path), range);
  const files = link?.signatures.length ?? 0;
  if (link === undefined || files === 0) return { files, signers: [] };
  try {
    const signed = { content: link.bytes, signatures: link.signatures };
    return { files, signers: evaluateSignatures(trust, 'root', signed, now) };
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    const defect = [error.message, ...error.defects].join('; ');
    return { files, signers: [], defect };
  }
}

function standingLines({ files, signers, defect }: Standing): string[] {
  if (files === 0) return ['no signatures found next to this file'];
  if (defect !== undefined)
    return [`signatures not valid (${counted(files, 'signature file')}): ${defect}`];
  return ['signed as its role root requires', ...signerLines(signers)];
}

function described(certificate: Certificate): object {
  const { subject, serial, fingerprint, keyFingerprint, notBefore, notAfter } = certificate;
  return { subject, serial, fingerprint, keyFingerprint, notBefore, notAfter };
}

function rootLines(name: string, certificate: Certificate): string[] {
  const day = (date: Date): string => date.toISOString().slice(0, 10);
  return [
    `root ${name}: ${certificate.subject}, ${day(certificate.notBefore)} to ${day(certificate.notAfter)}`,
    `  SHA-256 of the certificate: ${certificate.fingerprint}`,
    `  SHA-256 of its key:         ${certificate.keyFingerprint}`,
  ];
}

const purposes: Readonly<Record<RoleName, string>> = {
  root: 'the next trust document',
  release: 'bundles',
  approval: 'approvals of bundles, at sites that require them',
};

function roleLine(name: RoleName, { threshold, roots, requires }: Role): string {
  const keys = counted(threshold, 'key');
  const also =
    requires === undefined ? '' : `, with at least one ${requires.join(' and one ')} signature`;
  return `role ${name} signs ${purposes[name]}: ${keys} under ${roots.join(' or ')}${also}`;
}

function expiry({ expiresAt }: Trust): string {
  return expiresAt === undefined ? 'does not expire' : `expires ${expiresAt}`;
}
