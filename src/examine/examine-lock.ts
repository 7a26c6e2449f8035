import type { Finding } from '../format/finding.ts';
import type { LockedFile, LockedModel, LockedModelFile } from '../format/locked-content.ts';
import type { Manifest } from '../format/manifest.ts';
import type { Bytes } from './bytes.ts';
import { examineContent, type Report } from './examine-content.ts';
import { examineModel } from './examine-model.ts';
import { Findings } from './findings.ts';
import { findSecrets } from './secrets.ts';
import { examineServices } from './service-assets.ts';
import type { Verdict, Verdicts } from './verdict.ts';

/** What is examined, and how to read it. */
export interface Examined {
  readonly manifest: Manifest;
  readonly models: readonly LockedModel[];
  readonly files: readonly LockedFile[];
  readonly signal: AbortSignal;
  /** What files were found to be before; absent if every file is examined. */
  readonly verdicts?: Verdicts;
  /** All paths in each model's repository, by the name of the model, if known. */
  readonly listed?: ReadonlyMap<string, readonly string[]>;
  /**
   * Opens a file's content while `work` runs. `headsOnly` if it is read over the network: checks that read all of it
   * are left until it is in the store.
   */
  readonly open: <T>(
    file: LockedFile | LockedModelFile,
    model: LockedModel | undefined,
    work: (bytes: Bytes, headsOnly: boolean) => Promise<T>,
  ) => Promise<T>;
}

/**
 * Examines everything in a lock except images, whose layers are included as their registries served them.
 * @returns findings, sorted
 * @throws StowageError `content-refused`, listing everything that is refused
 */
export async function examineLock(examined: Examined): Promise<Finding[]> {
  const { manifest, models, files, signal, open } = examined;
  const findings = new Findings();
  for (const model of models) {
    const source = manifest.models.find((each) => each.name === model.name);
    if (source === undefined) continue;
    const listed = examined.listed?.get(model.name);
    await examineModel({
      manifest,
      source,
      model,
      signal,
      ...(listed === undefined ? {} : { listed }),
      ...(examined.verdicts === undefined ? {} : { verdicts: examined.verdicts }),
      open: (file, work) => open(file, model, work),
      report: (file, rule, detail, extra) =>
        findings.add({ source: source.name, file, allow: source.allow ?? [] }, rule, detail, extra),
    });
  }
  for (const file of files) {
    const allow = manifest.files.find((each) => each.name === file.name)?.allow ?? [];
    const { reports } = await examineFile(file, examined);
    for (const { rule, detail, extra } of reports)
      findings.add(
        { source: file.name, file: file.path, allow, folder: file.kind === 'tree' },
        rule,
        detail,
        extra,
      );
  }
  examineServices(manifest, (service, rule, detail, offer) =>
    findings.add(
      { source: service, file: '*', allow: [] },
      rule,
      detail,
      offer === undefined ? {} : { offer },
    ),
  );
  return findings.settle();
}

/** Examines an entry of `files`: a file, or a tree as a tar. */
async function examineFile(
  file: LockedFile,
  { open, signal, verdicts }: Examined,
): Promise<Verdict> {
  const subject = { digest: file.digest, size: file.size, as: `files ${file.path}` };
  const known = await verdicts?.get(subject);
  if (known !== undefined) return known;
  const reports: Verdict['reports'][number][] = [];
  const report: Report = (rule, detail, extra) =>
    void reports.push({ rule, detail, ...(extra === undefined ? {} : { extra }) });
  const visit = async (content: Bytes, _name: string, each: Report): Promise<void> => {
    for (const rule of await findSecrets(content)) each(rule, 'it contains a secret');
  };
  const verdict = await open(file, undefined, async (bytes, headsOnly) => ({
    weights: await examineContent(bytes, { name: file.path, report, signal, headsOnly, visit }),
    headsOnly,
  }));
  const found = { reports, weights: verdict.weights, unsearched: false };
  if (!verdict.headsOnly) await verdicts?.keep(subject, found);
  return found;
}
