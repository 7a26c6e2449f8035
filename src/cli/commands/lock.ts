import { resolve } from '../../build/resolve.ts';
import { bundleBlobs, describeAll, fromLock } from '../../content/items.ts';
import { formatBytes } from '../../core/text.ts';
import { totalSize } from '../../format/bundle.ts';
import { writeJson } from '../../format/document.ts';
import { type Lock, lockKind, sealLock } from '../../format/lock.ts';
import { BlobStore } from '../../io/blob-store.ts';
import { writeAtomic } from '../../io/file.ts';
import { type CommandContext, type CommandResult, storeFolder, usage } from '../command.ts';
import { explainedText, explainFindings, findingLines } from '../explain-findings.ts';
import { derivedLines } from './derived-lines.ts';
import { checkManifest, readPreviousLock } from './manifest-file.ts';
import { openSources, type SourceOptions } from './sources.ts';

export interface LockOptions extends SourceOptions {
  readonly store?: string;
  readonly seq?: number;
  readonly explain?: boolean;
}

export async function lock(
  file: string | undefined,
  options: LockOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { manifest, folder, lockPath, unstatedStartup } = await checkManifest(file, context);
  const { lock: previous, edited } = await readPreviousLock(lockPath, context);
  requireAdvance(options.seq, previous);
  const resolved = await resolve(manifest, {
    ...context,
    folder,
    unstatedStartup,
    store: new BlobStore(storeFolder(context, options.store)),
    sources: await openSources(options, context),
    ...(previous === undefined ? {} : { previous, previousEdited: edited }),
  });
  const locked = options.seq === undefined ? resolved : sealLock({ ...resolved, seq: options.seq });
  const unchanged = locked === previous && !edited;
  if (!unchanged) await writeAtomic(lockPath, writeJson(lockKind, locked));
  const explain = options.explain === true;
  const { findings } = locked;
  return {
    json: {
      lock: lockPath,
      unchanged,
      ...summary(locked),
      derived: locked.derived ?? [],
      findings: explain ? explainFindings(findings) : findings,
    },
    text: text(locked, lockPath, {
      unchanged,
      isFirst: previous === undefined && options.seq === undefined,
      findings: explain ? explainedText(findings) : findingLines(findings),
    }),
  };
}

/** Sites refuse a release whose sequence went back. @throws StowageError `usage-invalid` */
function requireAdvance(seq: number | undefined, previous: Lock | undefined): void {
  if (seq === undefined || previous === undefined || seq >= previous.seq) return;
  throw usage(
    '--seq is below the sequence of the lock',
    `a number from ${previous.seq}`,
    String(seq),
    'choose a higher number: sites refuse a release whose sequence went back',
  );
}

function summary(lock: Lock): {
  name: string;
  version: string;
  seq: number;
  bytes: number;
} {
  return {
    name: lock.manifest.name,
    version: lock.manifest.version,
    seq: lock.seq,
    bytes: lockBytes(lock),
  };
}

function lockBytes(lock: Lock): number {
  return totalSize(bundleBlobs(lock, describeAll(lock)));
}

function text(
  lock: Lock,
  path: string,
  {
    unchanged,
    isFirst,
    findings,
  }: { unchanged: boolean; isFirst: boolean; findings: readonly string[] },
): string {
  const lines = [
    `${lock.manifest.name} ${lock.manifest.version}, sequence ${lock.seq}, content ${formatBytes(lockBytes(lock))}`,
    ...fromLock(lock, (kind, item) => [`  ${kind.lockLine(item)}`]),
    ...derivedLines(lock.derived),
    ...findings,
    unchanged ? `unchanged: ${path}` : `written to ${path}`,
    ...(isFirst
      ? ['there was no lock: if sites have this release already, lock it with a higher --seq']
      : []),
  ];
  return `${lines.join('\n')}\n`;
}
