import { MIB } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import type { Rule } from '../format/finding.ts';
import type { LockedModel, LockedModelFile } from '../format/locked-content.ts';
import type { Manifest, ModelSource } from '../format/manifest.ts';
import { forEachBounded } from '../io/queue.ts';
import type { Bytes } from './bytes.ts';
import { examineChatTemplate, templatesOf } from './chat-template.ts';
import { contentKind, HEAD_BYTES } from './content-kind.ts';
import { examineDuplicates } from './duplicates.ts';
import {
  type Extra,
  examineContent,
  type GgufFacts,
  type Report,
  type Weights,
} from './examine-content.ts';
import { examineExternal } from './external.ts';
import { globMatcher, unmatchedGlobs } from './glob.ts';
import { repositoryOf } from './hub-id.ts';
import { cardLicenses, examineLicense } from './license.ts';
import { examineModelAssets } from './model-assets.ts';
import { examineConfig, isConfig } from './model-config.ts';
import { findSecrets, MAX_SEARCHED_BYTES } from './secrets.ts';
import { trustsRemoteCode } from './service-assets.ts';
import { examineNumbered, examineShardIndex, isShardIndex } from './shards.ts';
import type { Subject, Verdict, Verdicts } from './verdict.ts';

const FILES_AT_ONCE = 4;
const MAX_CONFIG_BYTES = 16 * MIB;
const MAX_INDEX_BYTES = 64 * MIB;
const MAX_TEMPLATE_BYTES = MIB;
const LICENSE_FILE = /(?:^|\/)(?:LICEN[CS]E|COPYING|NOTICE|USE_POLICY)(?:[._-][\w.-]*)?$/i;

export interface ModelTask {
  readonly manifest: Manifest;
  readonly source: ModelSource;
  readonly model: LockedModel;
  /** All paths in the repository, if known. */
  readonly listed?: readonly string[];
  readonly signal: AbortSignal;
  readonly open: <T>(
    file: LockedModelFile,
    work: (bytes: Bytes, headsOnly: boolean) => Promise<T>,
  ) => Promise<T>;
  readonly verdicts?: Verdicts;
  readonly report: (file: string, rule: Rule, detail: string, extra?: Extra) => void;
}

/** Examines every file of a model, and whether the files are consistent. */
export async function examineModel(task: ModelTask): Promise<void> {
  await new ModelExamination(task).run();
}

/** What is found in one file on the way to a {@link Verdict}. */
interface Recording {
  readonly reports: Verdict['reports'][number][];
  unsearched: boolean;
  /** Whether other files or the manifest had a part in it. */
  dependent: boolean;
}

class ModelExamination {
  readonly #task: ModelTask;
  readonly #weights = new Map<string, Weights>();
  readonly #indexes = new Map<string, Buffer>();
  readonly #taken: ReadonlySet<string>;
  readonly #repositories: ReadonlySet<string>;
  readonly #trusted: boolean;
  readonly #unsearched: string[] = [];
  #card: string[] | undefined | null;
  #type: string | undefined;

  constructor(task: ModelTask) {
    this.#task = task;
    this.#taken = new Set(task.model.files.map((each) => each.path));
    this.#repositories = new Set(task.manifest.models.map((each) => repositoryOf(each.source)));
    this.#trusted = task.manifest.services.some(
      (service) =>
        trustsRemoteCode(service) &&
        service.mounts.some((mount) => 'model' in mount && mount.model === task.source.name),
    );
  }

  async run(): Promise<void> {
    const { model, source, manifest, report } = this.#task;
    await forEachBounded(model.files, FILES_AT_ONCE, (file) => this.#file(file));
    for (const [path, index] of this.#indexes)
      examineShardIndex(path, index, this.#weights, report);
    examineNumbered(this.#weights, report);
    const sizes = new Map(model.files.map(({ path, size }) => [path, size]));
    for (const [path, { external }] of this.#weights)
      examineExternal(path, external, sizes, report);
    examineDuplicates(model.files, report);
    examineLicense(source, model.license, this.#card, (rule, detail) =>
      report('README.md', rule, detail),
    );
    const taken = [...this.#taken];
    const listed = this.#task.listed ?? taken;
    examineModelAssets({ source, taken, listed, modelType: this.#type, manifest }, report);
    if (this.#task.listed !== undefined) this.#globs(this.#task.listed);
    if (this.#unsearched.length > 0) {
      const names = this.#unsearched.sort().slice(0, 10).join(', ');
      report(
        '*',
        'secrets-not-searched',
        `${counted(this.#unsearched.length, 'file')} of weights or above 32 MiB: ${names}`,
      );
    }
  }

  #globs(listed: readonly string[]): void {
    const { source, report } = this.#task;
    const unmatched = (what: string, glob: string, where: string): void =>
      report('*', 'glob-unmatched', `${what} ${JSON.stringify(glob)} matches no file ${where}`);
    for (const { what, glob } of unmatchedGlobs(source, listed))
      unmatched(what, glob, 'of the source');
    for (const { rule, file } of source.allow ?? [])
      if (![...this.#taken].some(globMatcher([file])))
        unmatched(`allow ${rule} of`, file, 'that is selected');
  }

  async #file(file: LockedModelFile): Promise<void> {
    const { path } = file;
    const report: Report = (rule, detail, extra) => this.#task.report(path, rule, detail, extra);
    examineHubScan(file, report);
    if (/\.py$/i.test(path)) this.#code(report);
    if (LICENSE_FILE.test(path))
      report('license-file', 'the license text, identified by its hash', { digest: file.digest });
    const subject = { digest: file.digest, size: file.size, as: `model ${path}` };
    const known = await this.#task.verdicts?.get(subject);
    const verdict = known ?? (await this.#examine(file, subject));
    for (const { rule, detail, extra } of verdict.reports) report(rule, detail, extra);
    this.#weights.set(path, verdict.weights);
    if (verdict.unsearched) this.#unsearched.push(path);
  }

  async #examine(file: LockedModelFile, subject: Subject): Promise<Verdict> {
    const { path } = file;
    const recording: Recording = { reports: [], unsearched: false, dependent: false };
    const record: Report = (rule, detail, extra) =>
      void recording.reports.push({ rule, detail, ...(extra === undefined ? {} : { extra }) });
    let certain = false;
    const weights = await this.#task.open(file, async (bytes, headsOnly) => {
      const found = await examineContent(bytes, {
        name: path,
        report: record,
        signal: this.#task.signal,
        headsOnly,
        visit: (content, name, each) => this.#visit(content, name, each, recording),
      });
      if (found.gguf !== undefined) templatesOfGguf(found.gguf, record);
      const text = await this.#companion(path, bytes);
      certain = !headsOnly && !text && !recording.dependent;
      return found;
    });
    const verdict = { reports: recording.reports, weights, unsearched: recording.unsearched };
    if (certain) await this.#task.verdicts?.keep(subject, verdict);
    return verdict;
  }

  /** Reads what is compared with other files. @returns whether it is such a file */
  async #companion(path: string, bytes: Bytes): Promise<boolean> {
    const isCard = path === 'README.md';
    if (isCard && bytes.size <= MAX_CONFIG_BYTES) {
      const licenses = cardLicenses(await bytes.read(0, bytes.size));
      this.#card = licenses === undefined ? null : licenses;
    }
    if (isShardIndex(path) && bytes.size <= MAX_INDEX_BYTES)
      this.#indexes.set(path, await bytes.read(0, bytes.size));
    return isCard || isShardIndex(path);
  }

  #code(report: Report): void {
    report('remote-code', 'Python code that a server runs if it trusts remote code');
    if (this.#trusted)
      report(
        'remote-code-trusted',
        'a service in the manifest trusts remote code and runs this file',
      );
  }

  async #visit(bytes: Bytes, name: string, report: Report, recording: Recording): Promise<void> {
    const { kind } = contentKind(await bytes.read(0, HEAD_BYTES), bytes.size);
    const numbers = kind === 'safetensors' || kind === 'gguf' || kind === 'npy';
    if (bytes.size > MAX_SEARCHED_BYTES || numbers) recording.unsearched = true;
    else for (const rule of await findSecrets(bytes)) report(rule, 'it contains a secret');
    if (/\.jinja2?$/i.test(name) && bytes.size <= MAX_TEMPLATE_BYTES)
      examineChatTemplate(
        'the chat template',
        (await bytes.read(0, bytes.size)).toString('utf8'),
        report,
      );
    if (/\.json$/i.test(name) && bytes.size <= MAX_CONFIG_BYTES)
      await this.#json(await bytes.read(0, bytes.size), name, report, recording);
  }

  async #json(text: Buffer, name: string, report: Report, recording: Recording): Promise<void> {
    if (/"class_name"\s*:\s*"Lambda"/.test(text.toString('latin1')))
      report('keras-lambda', 'a Keras Lambda layer');
    if (!isConfig(name) && !text.includes('"auto_map"') && !text.includes('"chat_template"'))
      return;
    let config: unknown;
    try {
      config = JSON.parse(text.toString('utf8'));
    } catch {
      report('config-unreadable', 'it is not valid JSON');
      return;
    }
    for (const [label, template] of templatesOf(config))
      examineChatTemplate(label, template, report);
    if (
      name === 'config.json' &&
      typeof config === 'object' &&
      config !== null &&
      'model_type' in config
    )
      this.#type = String(config.model_type);
    recording.dependent = true;
    examineConfig(config, {
      path: name,
      taken: this.#taken,
      repositories: this.#repositories,
      report,
    });
  }
}

function templatesOfGguf(gguf: GgufFacts, report: Report): void {
  for (const [key, template] of gguf.texts)
    if (key.startsWith('tokenizer.chat_template'))
      examineChatTemplate(`the chat template in the key ${key}`, template, report);
}

const NO_CONCERN = ['safe', 'queued', 'unscanned', 'pending', 'scanning'];
const UNSAFE = ['unsafe', 'infected', 'malicious'];

/** Reports the concerns of the Hub's own scanners. The lock records the status of files without a concern. */
function examineHubScan({ hubScan }: LockedModelFile, report: Report): void {
  if (hubScan === undefined || NO_CONCERN.includes(hubScan)) return;
  const rule = UNSAFE.includes(hubScan) ? 'hub-unsafe' : 'hub-scan';
  report(rule, `the Hub's scanners report this file as ${hubScan}`);
}
