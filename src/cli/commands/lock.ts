import { deriveOffline } from '../../build/derive.ts';
import { contentDefects } from '../../build/local-defects.ts';
import { resolve } from '../../build/resolve.ts';
import { bundleBlobs, describeAll, fromLock } from '../../content/items.ts';
import { counted, formatBytes } from '../../core/text.ts';
import { totalSize } from '../../format/bundle.ts';
import type { DerivedSetting } from '../../format/derived.ts';
import { writeJson } from '../../format/document.ts';
import { type Lock, lockKind, sealLock } from '../../format/lock.ts';
import { BlobStore } from '../../io/blob-store.ts';
import { writeAtomic } from '../../io/file.ts';
import { type CommandContext, type CommandResult, storeFolder, usage } from '../command.ts';
import { explainedText, explainFindings, findingLines } from '../explain-findings.ts';
import { checkManifest, DEFAULT_MANIFEST, readPreviousLock } from './manifest-file.ts';
import { openSources, type SourceOptions } from './sources.ts';

/** What was derived for services because the manifest does not say it, a line each. */
export function derivedLines(derived: readonly DerivedSetting[] = []): string[] {
  return derived.map(
    (each) => `  service ${each.service}: ${derivedText(each)}, derived: ${each.reason}`,
  );
}

function derivedText({ field, value }: DerivedSetting): string {
  if (typeof value === 'string') return `${field.replace('env.', '')}=${value}`;
  return `${field} ${field === 'sharedMemory' ? formatBytes(value) : value}`;
}

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

/**
 * Checks a manifest and what its local sources contain, without a network, and writes nothing. `stowage lock` finds the
 * same, and more.
 */
export async function check(
  file: string | undefined,
  context: CommandContext,
): Promise<CommandResult> {
  const { manifest, folder, refuseFor } = await checkManifest(file, context);
  refuseFor(await contentDefects(manifest, folder, context));
  const { name, version, models, images, files, services } = manifest;
  const contents = [
    counted(models.length, 'model'),
    counted(images.length, 'image'),
    counted(files.length, 'file or folder', 'files or folders'),
    counted(services.length, 'service'),
  ];
  const derived = deriveOffline(manifest);
  const lines = [
    `${file ?? DEFAULT_MANIFEST}: no defects`,
    `  ${name} ${version}: ${contents.join(', ')}`,
    ...derivedLines(derived),
  ];
  return {
    json: { manifest: file ?? DEFAULT_MANIFEST, name, version, defects: [], derived },
    text: `${lines.join('\n')}\n`,
  };
}
