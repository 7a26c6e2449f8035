import { basename } from 'node:path';
import { readTrust, trustFileName, trustFileVersion } from '../../bundle/admission/trust-files.ts';
import { StowageError } from '../../core/error.ts';
import { digitsDefect, FINGERPRINT_DIGITS, normalizeFingerprint } from '../../core/text.ts';
import { writeCanonical } from '../../format/document.ts';
import { momentOf } from '../../format/field.ts';
import type { RehearsalRequirement } from '../../format/rehearsal-requirement.ts';
import { targetNames } from '../../format/target-name.ts';
import {
  type RoleName,
  roleNames,
  type Trust,
  trustKind,
  trustSchema,
} from '../../format/trust.ts';
import { exists, writeNew } from '../../io/file.ts';
import { allAlgorithms, keyKind } from '../../trust/algorithm.ts';
import { trustRoots } from '../../trust/trust-root.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { readDocument, readRoot, splitPair } from './trust-option.ts';
import { algorithmIn, type RoleOptions, rolesOf } from './trust-roles.ts';

export interface DraftOptions extends RoleOptions {
  readonly output: string;
  readonly algorithm: readonly string[];
  readonly channel: readonly string[];
  readonly seqFloor: readonly string[];
  /** Each is `CHANNEL=DAYS` or `CHANNEL=DAYS:TARGET,...`, with `:except-charts` or without. */
  readonly rehearsal: readonly string[];
  readonly maxAgeDays?: number;
  readonly expires?: string;
}

export interface InitOptions extends DraftOptions {
  /** Each is `NAME=FILE`. */
  readonly root: readonly string[];
}

export interface NextOptions extends DraftOptions {
  readonly addRoot: readonly string[];
  readonly removeRoot: readonly string[];
  /** Each is `ISSUER:SERIAL=REASON`. */
  readonly revoke: readonly string[];
}

/** Creates version 1. */
export async function trustInit(
  options: InitOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const roots = await Promise.all(options.root.map((pair) => readRoot(pair, context)));
  const names = roots.map(({ name }) => name);
  const limits = limitsOf(options, {});
  const trust: Trust = {
    schema: trustSchema(limits),
    version: 1,
    issuedAt: momentOf(context.now()),
    roots,
    roles: rolesOf(names, undefined, options),
    algorithms: allAlgorithms,
    revoked: [],
    ...limits,
  };
  return writeDraft(trust, options.output, context);
}

/** Creates the next version of a document, changed by the options. */
export async function trustNext(
  file: string,
  options: NextOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { trust: old } = await readDocument(file, context);
  for (const name of options.removeRoot) {
    if (old.roots.some((root) => root.name === name)) continue;
    const names = old.roots.map((root) => root.name).join(', ');
    throw usage(
      '--remove-root: the document has no such root',
      names,
      name,
      `stowage trust show ${file} lists its roots`,
    );
  }
  const added = await Promise.all(options.addRoot.map((pair) => readRoot(pair, context)));
  const kept = old.roots.filter(({ name }) => !options.removeRoot.includes(name));
  const roots = [...kept, ...added];
  const names = roots.map(({ name }) => name);
  const limits = limitsOf(options, old);
  const trust: Trust = {
    ...old,
    schema: trustSchema({ ...old, ...limits }),
    version: old.version + 1,
    issuedAt: momentOf(context.now()),
    roots,
    roles: rolesOf(names, old.roles, options),
    revoked: [...old.revoked, ...options.revoke.map(revocationOf)],
    ...limits,
  };
  if (trust.expiresAt !== undefined && trust.expiresAt <= trust.issuedAt)
    throw usage(
      'the new document would already be expired',
      'a later date',
      trust.expiresAt,
      'give the new expiry date with --expires',
    );
  return writeDraft(trust, options.output, context);
}

/** The fields that options set or extend. */
function limitsOf(options: DraftOptions, old: Partial<Trust>): Partial<Trust> {
  const floors = options.seqFloor.map((pair): [string, number] => {
    const [key, number] = splitPair(pair, '--seq-floor', 'PRODUCT/CHANNEL=NUMBER');
    return [key, Number(number)];
  });
  const rehearsals = options.rehearsal.map(rehearsalOf);
  const algorithms = options.algorithm.map((each) => algorithmIn(each, '--algorithm'));
  return {
    ...(algorithms.length === 0 ? {} : { algorithms }),
    ...(options.channel.length === 0 ? {} : { channels: options.channel }),
    ...(floors.length === 0
      ? {}
      : { seqFloor: { ...old.seqFloor, ...Object.fromEntries(floors) } }),
    ...(rehearsals.length === 0
      ? {}
      : { rehearsals: { ...old.rehearsals, ...Object.fromEntries(rehearsals) } }),
    ...(options.maxAgeDays === undefined ? {} : { maxAgeDays: options.maxAgeDays }),
    ...(options.expires === undefined ? {} : { expiresAt: momentIn(options.expires) }),
  };
}

function rehearsalOf(pair: string): [string, RehearsalRequirement] {
  const form = 'CHANNEL=DAYS or CHANNEL=DAYS:TARGET,..., with :except-charts or without';
  const [channel, given] = splitPair(pair, '--rehearsal', form);
  const asked = given.replace(/:except-charts$/, '');
  const [days = '', listed] = asked.split(':');
  const targets = listed?.split(',').map((name) => {
    const known = targetNames.find((each) => each === name);
    if (known !== undefined) return known;
    throw usage('--rehearsal names an unknown target', targetNames.join(', '), name);
  });
  return [
    channel,
    {
      maxAgeDays: Number(days),
      ...(targets === undefined ? {} : { targets }),
      ...(asked === given ? {} : { exceptCharts: true }),
    },
  ];
}

/** A date means midnight UTC at the start of that day. */
function momentIn(text: string): string {
  return /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text;
}

function revocationOf(pair: string): Trust['revoked'][number] {
  const [certificate, reason] = splitPair(pair, '--revoke', 'ISSUER:SERIAL=REASON');
  const cut = certificate.lastIndexOf(':');
  const issuer = normalizeFingerprint(certificate.slice(0, Math.max(cut, 0)));
  const defect = digitsDefect(issuer, FINGERPRINT_DIGITS, FINGERPRINT_DIGITS);
  if (defect !== undefined)
    throw usage(
      '--revoke needs the SHA-256 fingerprint of the issuer',
      'ISSUER:SERIAL=REASON',
      defect,
    );
  return {
    issuer,
    serial: certificate
      .slice(cut + 1)
      .toLowerCase()
      .replace(/^0+/, ''),
    reason,
  };
}

/** The roles that require ML-DSA-87 under roots with other algorithms only. */
function rolesWithoutMlDsaRoot(trust: Trust): RoleName[] {
  const strong = trustRoots(trust)
    .filter(({ certificate }) => keyKind(certificate.publicKey) === 'ml-dsa-87')
    .map(({ name }) => name);
  return roleNames.filter((name) => {
    const { requires = [], roots = [] } = trust.roles[name] ?? {};
    return requires.includes('ml-dsa-87') && !roots.some((each) => strong.includes(each));
  });
}

async function writeDraft(
  trust: Trust,
  output: string,
  context: CommandContext,
): Promise<CommandResult> {
  const bytes = writeCanonical(trustKind, trust);
  const weak = rolesWithoutMlDsaRoot(trust);
  const path = context.path(output);
  if (![undefined, trust.version].includes(trustFileVersion(basename(path))))
    throw usage(
      'the file name does not match the version of the document',
      trustFileName(trust.version),
      basename(path),
    );
  if (await exists(path))
    throw new StowageError('output-exists', `${path} exists already`, {
      expected: 'a new file name',
      found: 'an existing file',
      hint: 'choose another --output; a signed trust document is never overwritten',
    });
  await writeNew(path, bytes);
  for (const role of weak)
    context.emit({
      type: 'warning',
      message: `role ${role} requires ml-dsa-87, but none of its roots has an ML-DSA-87 key: whoever breaks the algorithm of the root can certify an ML-DSA-87 key, so the requirement adds no protection`,
      hint: 'add a root with an ML-DSA-87 key to the role; see signing/CEREMONY.md',
    });
  const { fingerprint } = readTrust(bytes, context.now());
  return {
    json: { file: path, version: trust.version, fingerprint, trust },
    text: `${path}\n  trust document ${trust.version}, SHA-256 ${fingerprint}\n  next: ${nextStep(trust.version, output)}\n`,
  };
}

/** The first version is not signed: the fingerprint on paper authorizes it. */
function nextStep(version: number, output: string): string {
  const show = `stowage trust show ${output}`;
  return version === 1
    ? `${show}, then write its fingerprint on paper; at the site: stowage trust apply ${output}`
    : `${show}, then stowage trust sign ${output} --key KEY --certificate CERTIFICATE`;
}
