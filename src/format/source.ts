import * as z from 'zod';
import * as field from './field.ts';
import { forEditors, partOf, someText } from './for-editors.ts';

/** The license of a model whose source does not state one. */
export interface StatedLicense {
  /** An SPDX identifier or expression, or the name of the license. */
  readonly id: string;
  /** A text file, relative to the manifest, which becomes a file of the model. */
  readonly file?: string;
}

export const statedLicense: z.ZodType<StatedLicense> = field.exact(
  z.strictObject(
    { id: field.line(128), file: field.line(2048).exactOptional() },
    {
      error: ({ input }) =>
        typeof input === 'string'
          ? `write license: {id: ${input}} if the source states none, or licenses: [${input}] to accept it`
          : undefined,
    },
  ),
);

const HUB_NAME = '[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._-]+';
/** Plain http is for this machine. */
const HUB_HOST =
  '(?:https://[A-Za-z0-9][A-Za-z0-9.-]*|https://\\[[0-9A-Fa-f:]+\\]|http://(?:127\\.0\\.0\\.1|localhost|\\[::1\\]))(?::\\d{1,5})?';
const HUB = new RegExp(`^(?:hf://|hf\\+${HUB_HOST}/)${HUB_NAME}(?:@[A-Za-z0-9][A-Za-z0-9._/-]*)?$`);
const REGISTRY = /^(?:oci|ollama):\/\/[A-Za-z0-9[][A-Za-z0-9._:@/[\]-]*$/;
const LIST = /^(?:https:\/\/|http:\/\/(?:127\.0\.0\.1|localhost|\[::1\])[:/])[^\s@]+$/;
const S3 = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/[^\s?#]*)?$/;
/** Their pages are no lists. */
const PAGES =
  /^https?:\/\/(?:[\w-]+\.)*(?:huggingface\.co|hf\.co|ollama\.com|ollama\.ai)(?:[:/]|$)/;
const PATH = /^(?:\.{1,2}(?:\/|$)|\/)/;

/** Whether the source of a model is a Hub: that of the environment, or the one at the host in it, such as the depot of a site. */
export function isHubSource(source: string): boolean {
  return HUB.test(source);
}

/** Whether the source of a model is a local path. */
export function isPathSource(source: string): boolean {
  return PATH.test(source);
}

/** Whether the source of a model is an artifact or image in a registry. */
export function isRegistrySource(source: string): boolean {
  return REGISTRY.test(source);
}

/** Whether the source of a model is a folder of a bucket in an S3-compatible store. */
export function isS3Source(source: string): boolean {
  return S3.test(source) && !/\/\/|\/\.{1,2}(?:\/|$)/.test(source.slice('s3://'.length));
}

const BUNDLE = /^bundle:(\.{0,2}\/[^:]*)(?::([a-z0-9][a-z0-9._-]*))?$/;

/** Parses the source of a model that is a bundle: its path, and the name of the model in it. Undefined for another source. */
export function bundleSourceOf(
  source: string,
): { readonly path: string; readonly name?: string } | undefined {
  const [, path, name] = BUNDLE.exec(source) ?? [];
  return path === undefined ? undefined : { path, ...(name === undefined ? {} : { name }) };
}

function isBundleSource(source: string): boolean {
  return bundleSourceOf(source) !== undefined;
}

/** Whether the source of a model is a list of its files on an https server; http is for this machine. */
export function isListSource(source: string): boolean {
  return LIST.test(source) && !PAGES.test(source);
}

const SOURCE = `(?=${someText}$)(?:${[
  ...[HUB, REGISTRY, BUNDLE].map(partOf),
  `(?!${partOf(PAGES)})${partOf(LIST)}`,
  `(?!s3:\\/\\/.*(?:\\/\\/|\\/\\.{1,2}(?:\\/|$)))${partOf(S3)}`,
  `(?:${partOf(PATH)}).*`,
].join('|')})`;

/**
 * The source of a model: `hf://organisation/name@revision`, `hf+https://host/organisation/name@revision`, `oci://registry/repository:tag`, `ollama://name:tag`,
 * `s3://bucket/prefix`, `https://host/path/SHA256SUMS`, `bundle:./path:model`, or a path that begins with `./`, `../` or `/`.
 */
export const modelSource: z.ZodType<string> = forEditors(
  field.line(512).superRefine((source, context) => {
    const forms = [
      ...[isHubSource, isPathSource, isRegistrySource, isListSource, isS3Source, isBundleSource],
    ];
    if (forms.some((reads) => reads(source))) return;
    context.addIssue({ code: 'custom', message: answerFor(source) });
  }),
  { pattern: SOURCE },
);

interface Habit {
  readonly typed: RegExp;
  readonly answer: (parts: Readonly<Record<string, string>>) => string;
}

const REPOSITORY = `(?<repository>${HUB_NAME})`;

/** What people write who know other programs, and the lines that they need here; the first that fits counts. */
const habits: readonly Habit[] = [
  {
    typed:
      /^(?:https:\/\/)?(?:registry\.)?ollama\.(?:com|ai)\/(?:library\/)?(?<name>[a-z0-9._/-]+(?::[\w.-]+)?)$/,
    answer: ({ name }) => `write source: ollama://${name}`,
  },
  {
    typed: /^(?:docker|kit|modelpack|oras):\/\/(?<reference>.+)$/,
    answer: ({ reference }) => `write source: oci://${reference}`,
  },
  {
    typed:
      /^(?<reference>(?!hf\.co\/|huggingface\.co\/)[a-z0-9-]+(?:\.[a-z0-9-]+|:\d+)[a-z0-9.:-]*\/[a-z0-9._/-]+(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?)$/,
    answer: ({ reference }) => `write source: oci://${reference}`,
  },
  {
    typed:
      /^(?:hf:\/\/|https:\/\/huggingface\.co\/)(?<kind>datasets|spaces)\/(?<name>[^@?#]+?)\/?(?:@(?<revision>.+))?$/,
    answer: ({ kind, name = '', revision = 'main' }) =>
      `${kind} are not models: under files, write source: git+https://huggingface.co/${kind}/${name.split('/').slice(0, 2).join('/')}@${revision} and lfs: true`,
  },
  {
    typed: new RegExp(
      `^https?://(?:www\\.)?(?:huggingface\\.co|hf\\.co)/${REPOSITORY}(?:/(?:tree|blob|resolve|raw)/(?<revision>[^/?#]+)(?:/(?<file>[^?#]+))?)?/?(?:[?#].*)?$`,
    ),
    answer: ({ repository, revision = 'main', file }) => hubLines(repository, revision, file),
  },
  {
    typed: new RegExp(`^(?:hf://)?models/${REPOSITORY}(?:@(?<revision>.+))?$`),
    answer: ({ repository, revision = 'main' }) => hubLines(repository, revision),
  },
  {
    typed: new RegExp(
      `^(?:hf://|hf\\.co/|huggingface\\.co/)?${REPOSITORY}:(?<quant>[A-Za-z0-9_.-]+)$`,
    ),
    answer: ({ repository, quant }) => hubLines(repository, 'main', `*${quant}*.gguf`),
  },
  {
    typed: new RegExp(`^hf://${REPOSITORY}/(?<file>[^@]+?)(?:@(?<revision>[^@]+))?$`),
    answer: ({ repository, file, revision = 'main' }) => hubLines(repository, revision, file),
  },
  {
    typed: new RegExp(`^(?:hf\\.co/|huggingface\\.co/)${REPOSITORY}(?:@(?<revision>.+))?$`),
    answer: ({ repository, revision = 'main' }) => hubLines(repository, revision),
  },
  {
    typed: /^hf\+http:\/\/(?<place>.+)$/,
    answer: ({ place }) =>
      `plain http is for this machine only: write source: hf+https://${place}, or HF_ENDPOINT and hf://`,
  },
  {
    typed: /^(?:gs|az|abfs|abfss):\/\//,
    answer: () =>
      'this store is not supported: copy the model into a folder first, or use its S3-compatible address with AWS_ENDPOINT_URL_S3 and s3://bucket/prefix',
  },
  {
    typed: /^~/,
    answer: () => 'a ~ is not expanded here: write the path from / on, and outside: true',
  },
  {
    typed: /^file:\/\/(?<path>\/.*)$/,
    answer: ({ path }) => `write source: ${path}, without file://`,
  },
  {
    typed: new RegExp(`^(?<repository>${HUB_NAME})(?:@(?<revision>.+))?$`),
    answer: ({ repository, revision = 'main' }) =>
      `write source: hf://${repository}@${revision} for a model of the Hub, or source: ./${repository} for a folder`,
  },
  {
    typed: /^(?<name>[a-z0-9][a-z0-9._-]*:[\w.-]+)$/,
    answer: ({ name }) => `write source: ollama://${name}`,
  },
  {
    typed: /^(?<name>[A-Za-z0-9_][\w.-]*)\/?$/,
    answer: ({ name }) => `write source: ./${name} for a folder beside the manifest`,
  },
];

function hubLines(repository = '', revision: string, glob?: string): string {
  const include = glob === undefined ? '' : ` and include: ["${glob}"]`;
  return `write source: hf://${repository}@${revision}${include}`;
}

/** The message for a source in no accepted form. */
function answerFor(source: string): string {
  const expected =
    'expected hf://organisation/name@revision, oci://registry/repository:tag, ollama://name:tag, s3://bucket/prefix, https://host/path/SHA256SUMS, or a folder such as ./my-model';
  for (const { typed, answer } of habits) {
    const found = typed.exec(source);
    if (found !== null) return answer({ ...found.groups });
  }
  return expected;
}

/** Where an image comes from that is not in a registry, in the syntax of skopeo. */
export interface LocalImage {
  /** `oci`: a folder with an image layout; an archive of one, or of `docker save`; the storage of podman or docker. */
  readonly kind: 'oci' | 'oci-archive' | 'docker-archive' | 'containers-storage' | 'docker-daemon';
  /** Of the folder or archive; undefined for a storage. */
  readonly path?: string;
  /** The name of the image there; in a storage always present. */
  readonly name?: string;
}

/** A path begins with `./`, `../` or `/`: without one, `oci:1` is an image in a registry. */
const FILES = /^(oci|oci-archive|docker-archive):(\.{0,2}\/[^:]*)(?::(.+))?$/;
const STORAGE = /^(containers-storage|docker-daemon):(.+)$/;
/** What {@link localImageOf} parses. */
export const localImagePattern: string = [FILES, STORAGE].map(partOf).join('|');

/** Parses the source of an image that is not in a registry; undefined for one in a registry. */
export function localImageOf(source: string): LocalImage | undefined {
  const [, files, path, tag] = FILES.exec(source) ?? [];
  if (files !== undefined && path !== undefined)
    return { kind: files as LocalImage['kind'], path, ...(tag === undefined ? {} : { name: tag }) };
  const [, storage, name] = STORAGE.exec(source) ?? [];
  return name === undefined ? undefined : { kind: storage as LocalImage['kind'], name };
}

/** Whether an image is in the storage of podman or docker, from which it is exported. */
export function isStored({ kind }: LocalImage): boolean {
  return kind === 'containers-storage' || kind === 'docker-daemon';
}
