import { dirname, join } from 'node:path';
import { type AssembleOptions, requireAbsent } from '../../build/assemble.ts';
import { type BuiltInstaller, findInstallers } from '../../build/installers.ts';
import { pack as packBundle } from '../../build/pack.ts';
import { requireNewVersion } from '../../build/version-change.ts';
import { chainFiles, readChain } from '../../bundle/admission/trust-files.ts';
import { keepIndex } from '../../bundle/increment/known-bundles.ts';
import { isNotice } from '../../content/items.ts';
import { CRC_SPAN_BYTES, MAX_PARITY_ROWS } from '../../core/limits.ts';
import { counted } from '../../core/text.ts';
import { bundleSize } from '../../format/bundle.ts';
import { writeJson } from '../../format/document.ts';
import { lockKind } from '../../format/lock.ts';
import type { Manifest } from '../../format/manifest.ts';
import { BlobStore } from '../../io/blob-store.ts';
import { remove, writeAtomic } from '../../io/file.ts';
import { withParents } from '../../io/folder.ts';
import { walkFromFirst } from '../../trust/trust-chain.ts';
import { type CommandContext, type CommandResult, storeFolder, usage } from '../command.ts';
import { parseBytes } from '../units.ts';
import { sizeText } from './bundle-tree.ts';
import { parseDiscSize } from './disc-size.ts';
import {
  type IncrementOptions,
  incrementJson,
  incrementLines,
  knownFolder,
  leftOut,
  readReceivers,
} from './increment.ts';
import { readFreshLock } from './manifest-file.ts';
import { openBundle } from './open-bundle.ts';
import { packFrom, pick, readRepairList } from './pack-repair.ts';
import { openSources, type SourceOptions } from './sources.ts';

export interface PackOptions extends SourceOptions, IncrementOptions {
  readonly output?: string;
  readonly partSize: string;
  readonly trustChain?: string;
  /** Folder of the installers and toolkits; false for no installer. */
  readonly installer?: string | false;
  /** Whether to include the toolkit. */
  readonly toolkit?: boolean;
  readonly discSize?: string;
  readonly parity?: number;
  readonly parityDiscs?: number;
  readonly only?: string;
  readonly from?: string;
  /** Why the content changed without a new version. */
  readonly sameVersion?: string;
}

export async function pack(
  file: string | undefined,
  options: PackOptions,
  context: CommandContext,
): Promise<CommandResult> {
  checkOptions(options);
  const list = options.only === undefined ? undefined : await readRepairList(options.only, context);
  if (list !== undefined && options.from !== undefined)
    return packFrom(list, options.from, options.output, context);
  const partSize = list?.partSize ?? parsePartSize(options.partSize);
  const sites = await readReceivers(options, context);
  const trust = await readTrustChain(options.trustChain, context);
  const { lock: found, lockPath, manifest, folder } = await readFreshLock(file, context);
  const lock = requireNewVersion(found, reasonOf(options));
  if (lock !== found) await writeAtomic(lockPath, writeJson(lockKind, lock));
  const installers = await chosenInstallers(options, manifest, context);
  const output =
    options.output === undefined
      ? join(folder, `${manifest.name}-${manifest.version}${list === undefined ? '' : '-repair'}`)
      : context.path(options.output);
  const store = storeFolder(context, options.store);
  const packing = {
    ...context,
    folder,
    partSize,
    trust,
    installers,
    ...discOptions(options),
    store: new BlobStore(store),
    ...(sites === undefined ? {} : { receivers: sites.common }),
    without: options.without,
    sources: await openSources(options, context),
  };
  if (list !== undefined) {
    await requireAbsent(output);
    const whole = `${output}.whole`;
    return withParents(output, async () => {
      try {
        await packBundle(lock, { ...packing, output: whole });
        const open = await openBundle(whole);
        return await pick(list, { open, folder: output, move: true }, context);
      } finally {
        await remove(whole);
      }
    });
  }
  const { bundle, id, discs } = await packBundle(lock, { ...packing, output });
  await keepIndex(id, discs[0] ?? output, knownFolder(store));
  await sites?.recordUsed();
  const increment = leftOut(bundle, options, sites, context);
  const { files, bytes } = bundleSize(bundle);
  return {
    json: {
      bundle: output,
      name: bundle.name,
      version: bundle.version,
      seq: bundle.seq,
      id,
      files,
      bytes,
      discs,
      ...incrementJson(increment, sites),
    },
    text: [
      output,
      ...(discs.length === 0 ? [] : [`  ${counted(discs.length, 'disc')}`]),
      `  ${sizeText(bundle)}`,
      ...incrementLines(increment, sites),
      `  SHA-512 of SHA512SUMS: ${id}`,
      `  not signed yet: stowage sign ${output} --key KEY --certificate CERTIFICATE\n`,
    ].join('\n'),
  };
}

/** @throws StowageError `usage-invalid` for a reason that the lock cannot hold */
function reasonOf({ sameVersion }: PackOptions): string | undefined {
  if (sameVersion === undefined || /^(?! *$)[^\p{Cc}\p{Zl}\p{Zp}]{1,500}$/u.test(sameVersion))
    return sameVersion;
  throw usage(
    'invalid reason',
    'one line of text, at most 500 characters',
    sameVersion.slice(0, 60),
  );
}

/** The installers and toolkits to include: those next to this program, or from the given folder, or none. */
async function chosenInstallers(
  { installer, toolkit = false }: Pick<PackOptions, 'installer' | 'toolkit'>,
  manifest: Manifest,
  context: CommandContext,
): Promise<readonly BuiltInstaller[]> {
  const beside = join(dirname(context.terminal.program), 'installer');
  const folder = typeof installer === 'string' ? context.path(installer) : beside;
  const none = installer === false || (installer === undefined && isNotice(manifest));
  const { platforms } = manifest;
  return [
    ...(none ? [] : await findInstallers(folder, platforms)),
    ...(toolkit ? await findInstallers(folder, platforms, 'toolkit') : []),
  ];
}

/** Reads the trust documents to include and checks that a site can follow the chain. */
async function readTrustChain(
  folder: string | undefined,
  context: CommandContext,
): Promise<ReadonlyMap<string, Buffer>> {
  if (folder === undefined) return new Map();
  const place = context.path(folder);
  const links = await readChain(place, { above: 0, upTo: Number.MAX_SAFE_INTEGER });
  if (links.length === 0)
    throw usage('no trust document in --trust-chain', 'files named N.trust.json', place);
  walkFromFirst(links, context.now());
  return chainFiles(links);
}

function discOptions({
  discSize,
  parity,
  parityDiscs,
}: PackOptions): Pick<AssembleOptions, 'parity' | 'discs'> {
  const rows = parityDiscs ?? parity;
  return {
    ...(rows === undefined ? {} : { parity: rows }),
    ...(discSize === undefined
      ? {}
      : { discs: { size: parseDiscSize(discSize), parity: parityDiscs !== undefined } }),
  };
}

/** Checks which options are combined. @throws StowageError `usage-invalid` */
function checkOptions(options: PackOptions): void {
  const { discSize, parity, parityDiscs, only, from } = options;
  if (parityDiscs !== undefined && discSize === undefined)
    throw usage('--parity-discs needs --disc-size', '--disc-size SIZE', 'none');
  if (parityDiscs !== undefined && parity !== undefined)
    throw usage('conflicting options', '--parity or --parity-discs', 'both');
  if (only !== undefined && options.for.length > 0)
    throw usage('conflicting options', '--only or --for', 'both');
  if (only !== undefined && options.without.length > 0)
    throw usage('conflicting options', '--only or --without', 'both');
  if (from !== undefined && only === undefined)
    throw usage('--from needs --only', '--only LIST', 'none');
  const rows = parityDiscs ?? parity ?? 1;
  if (rows > MAX_PARITY_ROWS)
    throw usage('too much parity', `at most ${MAX_PARITY_ROWS}`, `${rows}`);
}

function parsePartSize(text: string): number {
  if (text === 'none') return 0;
  const bytes = parseBytes(text);
  if (bytes !== undefined && bytes % CRC_SPAN_BYTES === 0) return bytes;
  throw usage('invalid part size', 'a multiple of 4MiB such as 512MiB, or none', text);
}
