import type { Finding } from '../format/finding.ts';
import type { LockedFile, LockedModel, LockedModelFile } from '../format/lock.ts';
import type { Manifest } from '../format/manifest.ts';
import type { Bytes } from './bytes.ts';
import { examineContent, type Report } from './examine-content.ts';
import { examineModel } from './examine-model.ts';
import { Findings } from './findings.ts';
import { findSecrets } from './secrets.ts';
import { examineServices } from './service-assets.ts';

/** What is examined, and how its bytes are reached. */
export interface Examined {
  readonly manifest: Manifest;
  readonly models: readonly LockedModel[];
  readonly files: readonly LockedFile[];
  readonly signal: AbortSignal;
  /** Every path of a model's repository, by the model's name, where it was asked. */
  readonly listed?: ReadonlyMap<string, readonly string[]>;
  /**
   * Opens a file's content while `work` runs. `headsOnly` where it comes over a line: what would read all of it is
   * left to the time when it is in the store.
   */
  readonly open: <T>(
    file: LockedFile | LockedModelFile,
    model: LockedModel | undefined,
    work: (bytes: Bytes, headsOnly: boolean) => Promise<T>,
  ) => Promise<T>;
}

/**
 * Examines all that a lock names but images, whose layers cross as their registries signed and served them.
 * @returns what a person should know, sorted
 * @throws StowageError `content-refused`, naming everything that may not cross
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
      open: (file, work) => open(file, model, work),
      report: (file, rule, detail, extra) =>
        findings.add(source.name, source.allow ?? [], file, rule, detail, extra),
    });
  }
  for (const file of files) {
    const allow = manifest.files.find((each) => each.name === file.name)?.allow ?? [];
    const report: Report = (rule, detail, extra) =>
      findings.add(file.name, allow, file.path, rule, detail, extra);
    await open(file, undefined, async (bytes, headsOnly) => {
      const visit = async (content: Bytes, _name: string, each: Report): Promise<void> => {
        for (const rule of await findSecrets(content)) each(rule, 'it holds something secret');
      };
      await examineContent(bytes, { name: file.path, report, signal, headsOnly, visit });
    });
  }
  examineServices(manifest, (service, rule, detail, offer) =>
    findings.add(service, [], '*', rule, detail, offer === undefined ? {} : { offer }),
  );
  return findings.settle();
}
