import { type Emit, Tally } from '../core/context.ts';
import { digestHex, digestOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { type Bytes, withFile } from '../examine/bytes.ts';
import { type Examined, examineLock } from '../examine/examine-lock.ts';
import {
  RULES_VERSION,
  type Verdicts,
  verdictFromJson,
  verdictToJson,
} from '../examine/verdict.ts';
import type { Finding } from '../format/finding.ts';
import type { Lock } from '../format/lock.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { modelFileOrigin, type Sources } from './origins.ts';
import { remoteBytes } from './remote-bytes.ts';

export interface ExamineOptions {
  readonly store: BlobStore;
  readonly sources: Sources;
  /** The folder of the manifest. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
  /** The version of the rules; only tests use one other than {@link RULES_VERSION}. */
  readonly rules?: number;
}

/**
 * Examines the resolved content before large files are downloaded. Files in the store are read in full; of all others,
 * only the headers are read, from the source.
 * @param listed every path of each model's repository, by the model's name
 * @throws StowageError `content-refused`, `source-*`
 */
export async function examineResolved(
  resolved: Pick<Lock, 'manifest' | 'models' | 'files'>,
  listed: ReadonlyMap<string, readonly string[]>,
  options: ExamineOptions,
): Promise<Finding[]> {
  const { store, sources, folder, signal, emit } = options;
  const { watch, skip } = examinationProgress(resolved, emit);
  const open: Examined['open'] = async (file, model, work) => {
    if (model === undefined || (await store.size(file.digest)) === file.size)
      return withFile(store.path(file.digest), (bytes) =>
        watch(bytes, (each) => work(each, false)),
      );
    const origin = await modelFileOrigin(model, file, { ...sources, folder });
    const bytes = remoteBytes(origin, file.size, signal);
    try {
      return await watch(bytes, (each) => work(each, true));
    } finally {
      await bytes.close();
    }
  };
  return examineLock({ ...resolved, signal, listed, open, verdicts: verdictsIn(options, skip) });
}

/**
 * Examines the content when all of it is in the store and verified.
 * @throws StowageError `content-refused`; `lock-stale` for findings that are not in the lock
 */
export async function examinePulled(
  lock: Lock,
  options: Omit<ExamineOptions, 'sources' | 'folder'>,
): Promise<void> {
  const { store, signal, emit } = options;
  const { watch, skip } = examinationProgress(lock, emit);
  const found = await examineLock({
    ...lock,
    signal,
    verdicts: verdictsIn(options, skip),
    open: (file, _model, work) =>
      withFile(store.path(file.digest), (bytes) => watch(bytes, (each) => work(each, false))),
  });
  const key = ({ source, file, rule }: Finding): string => JSON.stringify([source, file, rule]);
  const said = new Set(lock.findings.map(key));
  const unsaid = found.filter((each) => !said.has(key(each)));
  const [first] = unsaid;
  if (first === undefined) return;
  throw new StowageError('lock-stale', 'the content has findings that are not in the lock', {
    expected: 'only findings that are in the lock',
    found: `${first.source}: ${first.file}: ${first.message} [${first.rule}]`,
    hint: 'run stowage lock again: it examines the downloaded files',
    defects: unsaid
      .slice(0, 50)
      .map((each) => `${each.source}: ${each.file}: ${each.message} [${each.rule}]`),
  });
}

/** The verdicts that are recorded in a store together with the checksums of its blobs. */
function verdictsIn(
  { store, rules = RULES_VERSION }: Pick<ExamineOptions, 'store' | 'rules'>,
  skip: (bytes: number) => void,
): Verdicts {
  const nameOf = (as: string): string =>
    `${rules}-${digestHex(digestOf(Buffer.from(as))).slice(0, 32)}`;
  return {
    get: async (subject) => {
      const found = await store.fact(subject, nameOf(subject.as));
      if (found === undefined) return undefined;
      skip(subject.size);
      return verdictFromJson(found);
    },
    keep: (subject, verdict) => store.noteFact(subject, nameOf(subject.as), verdictToJson(verdict)),
  };
}

/** Reports the progress of the examination by bytes read; bytes that need not be read count as already present. */
function examinationProgress(
  { models, files }: Pick<Lock, 'models' | 'files'>,
  emit: Emit,
): {
  readonly watch: <T>(bytes: Bytes, work: (bytes: Bytes) => Promise<T>) => Promise<T>;
  readonly skip: (bytes: number) => void;
} {
  const all = [...models.flatMap((each) => each.files), ...files];
  const tally = new Tally(
    emit,
    'examine',
    all.reduce((sum, each) => sum + each.size, 0),
  );
  const watch = async <T>(bytes: Bytes, work: (bytes: Bytes) => Promise<T>): Promise<T> => {
    let reached = 0;
    const read: Bytes['read'] = async (offset, length) => {
      const found = await bytes.read(offset, length);
      const fresh = offset <= reached ? offset + found.length - reached : 0;
      if (fresh > 0) {
        reached += fresh;
        tally.add(fresh);
      }
      return found;
    };
    const result = await work({ size: bytes.size, read });
    tally.add(bytes.size - reached, true);
    return result;
  };
  return { watch, skip: (bytes) => tally.add(bytes, true) };
}
