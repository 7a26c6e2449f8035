import type { Manifest, ModelSource } from '../format/manifest.ts';
import type { Report } from './examine-content.ts';
import { exactGlob, hubMatcher } from './glob.ts';

/** The vocabularies that openai-harmony downloads, with the digests in the source of tiktoken. */
const HARMONY = [
  ['o200k_base', '446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d'],
  ['cl100k_base', '223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7'],
] as const;

const TOKENIZERS =
  /(?:^|\/)(?:tokenizer\.json|tokenizer\.model|[\w.-]*\.tiktoken|tekken\.json|spiece\.model|sentencepiece[\w.]*\.model|vocab\.(?:json|txt))$/;
const READ_AT_START =
  /^(?:generation_config|tokenizer_config|preprocessor_config|processor_config|special_tokens_map|added_tokens|image_processor|video_preprocessor_config)\.json$|^chat_template\.(?:jinja|json)$|^additional_chat_templates\//;

export interface ModelAssets {
  readonly source: ModelSource;
  /** Paths of the selected files. */
  readonly taken: readonly string[];
  /** All paths in the repository if known, else the selected ones. */
  readonly listed: readonly string[];
  /** The `model_type` in config.json. */
  readonly modelType: string | undefined;
  readonly manifest: Manifest;
}

/** Reports files that the servers of this model would look for and that are not selected. */
export function examineModelAssets(
  { source, taken, listed, modelType, manifest }: ModelAssets,
  report: (file: string, ...rest: Parameters<Report>) => void,
): void {
  const have = new Set(taken);
  const left = listed.filter((path) => !have.has(path));
  const include = (path: string): string =>
    `    include: [..., ${JSON.stringify(exactGlob(path))}]\n`;
  const isProjector = (path: string): boolean => /(?:^|\/)[\w.-]*mmproj[\w.-]*\.gguf$/i.test(path);
  const projector = left.find(isProjector);
  const ggufs = taken.filter((path) => /\.gguf$/i.test(path));
  if (ggufs.some((path) => !isProjector(path)) && !ggufs.some(isProjector) && projector) {
    // Who excludes it serves text alone; who forgot it finds out at the site.
    const excluded = source.exclude.some((glob) => hubMatcher(glob)(projector));
    report(
      projector,
      excluded ? 'asset-projector' : 'shard-missing',
      `the image projector is not selected${excluded ? '' : '; without images, list it in exclude'}`,
      { offer: include(projector) },
    );
  }
  const language = left.find((path) => /\.gguf$/i.test(path) && !isProjector(path));
  if (ggufs.length > 0 && ggufs.every(isProjector) && language !== undefined)
    report(ggufs[0] ?? language, 'shard-missing', 'an image projector without its language model');
  const served = taken.some((path) => /\.safetensors$/i.test(path)) && have.has('config.json');
  if (served && !taken.some((path) => TOKENIZERS.test(path))) {
    const tokenizer = left.find((path) => TOKENIZERS.test(path));
    if (tokenizer !== undefined)
      report(tokenizer, 'asset-tokenizer', 'no tokenizer is selected', {
        offer: include(tokenizer),
      });
  }
  for (const path of served ? left.filter((each) => READ_AT_START.test(each)) : [])
    report(path, 'asset-tokenizer', 'a file that servers read at startup is not selected', {
      offer: include(path),
    });
  if (modelType === 'gpt_oss') examineHarmony(source.name, manifest, report);
}

function examineHarmony(
  model: string,
  manifest: Manifest,
  report: (file: string, ...rest: Parameters<Report>) => void,
): void {
  const service = manifest.services.find(
    (each) =>
      each.health?.server !== 'llama.cpp' &&
      each.mounts.some((mount) => 'model' in mount && mount.model === model),
  );
  if (service === undefined) return;
  const missing = HARMONY.filter(
    ([name]) => !manifest.files.some((each) => each.source.endsWith(`${name}.tiktoken`)),
  );
  if (missing.length === 0) return;
  const files = missing.map(
    ([name, hex]) =>
      `  - name: ${name.replace('_', '-')}\n    source: https://openaipublic.blob.core.windows.net/encodings/${name}.tiktoken\n    digest: sha256:${hex}\n`,
  );
  const mounts = missing.map(
    ([name]) =>
      `      - { files: ${name.replace('_', '-')}, path: /vocabulary/${name}.tiktoken }\n`,
  );
  report('config.json', 'asset-vocabulary', 'openai-harmony downloads tiktoken vocabularies', {
    offer: `files:\n${files.join('')}services:\n  - name: ${service.name}\n    env: { TIKTOKEN_ENCODINGS_BASE: /vocabulary }\n    mounts:\n${mounts.join('')}`,
  });
}
