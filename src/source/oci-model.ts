import { type Digest, isDigest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { type Fields, fieldsOf, sizeOf, textOf, textsOf } from '../core/json.ts';
import { counted, quoted } from '../core/text.ts';
import { isRegistrySource } from '../format/source.ts';
import { oneLine } from '../net/address.ts';
import { malformed, parseRemote } from '../net/http-response.ts';
import type { Registry } from './oci.ts';
import type { FetchedManifest } from './oci-reader.ts';
import type { FoundFile, FoundModel, ModelLayer, ModelSourceKind } from './origin.ts';
import { parseReference, repositoryName } from './reference.ts';

const OLLAMA = 'registry.ollama.ai';
const TITLE = 'org.opencontainers.image.title';
const FILE_PATH = /^org\.(?:cncf|cnai)\.model\.filepath$/;
const UNPACKED = 'io.deis.oras.content.unpack';
const INDEX = /^application\/vnd\.(?:oci\.image\.index|docker\.distribution\.manifest\.list)\./;
const IMAGE = /^application\/vnd\.(?:oci\.image|docker\.container\.image)\.(?:config\.)?v1\+json$/;
const TAR = /(?:\.tar|\+tar)(?:[.+](?:gzip|zstd))?$|\.tar\.(?:gzip|zstd)$/;
/** Data for training is no part of what a server loads. */
const DATASET = /^application\/vnd\.(?:(?:cncf|cnai)\.model|kitops\.modelkit)\.dataset\./;
const MAX_LAYERS = 10_000;

interface Layer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations: Fields;
}

/**
 * Models in registries: artifacts of CNCF ModelPack, KitOps, Docker and ORAS, models of Ollama, and images with the model in
 * `/models` (modelcars). Raw layers are files; files in archives are unwrapped by the caller.
 */
export function registryModels({ registry }: { readonly registry: Registry }): ModelSourceKind {
  return {
    reads: isRegistrySource,
    resolve: async ({ source }, signal) => {
      const reference = referenceIn(source);
      const found = await oneManifest(registry, reference, signal);
      const repository = repositoryName(parseReference(reference));
      return {
        ...(await readModel({ registry, repository, signal }, found)),
        gated: false,
        tags: [],
      };
    },
    file: async ({ source }, { path, digest }) => {
      if (digest === undefined) throw new Error(`${path} has no digest`);
      return registry.blob(repositoryName(parseReference(referenceIn(source))), digest);
    },
  };
}

/** The reference in `oci://registry/repository:tag` or `ollama://name:tag`. */
export function referenceIn(source: string): string {
  const name = source.replace(/^[a-z]+:\/\//, '');
  if (source.startsWith('oci://')) return name;
  const first = name.split('/')[0] ?? '';
  if (name.includes('/') && /[.:]|^localhost$/.test(first)) return name;
  return name.includes('/') ? `${OLLAMA}/${name}` : `${OLLAMA}/library/${name}`;
}

/** The manifest of a reference. Of an index, the only one, or that for linux/amd64: the files are the same on all platforms. */
async function oneManifest(
  registry: Registry,
  reference: string,
  signal: AbortSignal,
): Promise<FetchedManifest> {
  const root = await registry.document(reference, signal);
  const document = fieldsOf(parseRemote(root.bytes, root.asked));
  if (!INDEX.test(textOf(document['mediaType'], 255) ?? root.contentType)) return root;
  const entries = (Array.isArray(document['manifests']) ? document['manifests'] : [])
    .map(fieldsOf)
    .filter(({ platform }) => fieldsOf(platform)['os'] !== 'unknown');
  const usual = entries.find(({ platform }) => {
    const { os, architecture } = fieldsOf(platform);
    return os === 'linux' && architecture === 'amd64';
  });
  const { digest } = usual ?? (entries.length === 1 ? fieldsOf(entries[0]) : {});
  if (typeof digest !== 'string' || !isDigest(digest)) {
    throw new StowageError('source-unsupported', `${reference} is an index of several manifests`, {
      expected: 'one manifest, or one for linux/amd64',
      found: counted(entries.length, 'manifest'),
      hint: 'name the manifest of the model by its digest, after an @',
    });
  }
  const place = repositoryName(parseReference(reference));
  return registry.document(`${place}@${digest}`, signal);
}

interface Place {
  readonly registry: Registry;
  /** `registry/repository`. */
  readonly repository: string;
  readonly signal: AbortSignal;
}

async function readModel(
  place: Place,
  { bytes, digest, asked }: FetchedManifest,
): Promise<Pick<FoundModel, 'origin' | 'files' | 'layers' | 'license'>> {
  const document = fieldsOf(parseRemote(bytes, asked));
  const { config: about, layers: listed } = document;
  if (!Array.isArray(listed) || listed.length > MAX_LAYERS)
    throw malformed(asked, { expected: 'a manifest with layers', found: 'something else' });
  const layers = listed.map((each): Layer => {
    const fields = fieldsOf(each);
    const found = textOf(fields['digest'], 256) ?? '';
    const size = sizeOf(fields['size']);
    const mediaType = textOf(fields['mediaType'], 255);
    if (!isDigest(found) || size === undefined || mediaType === undefined)
      throw malformed(asked, {
        expected: 'digest, size and media type of each layer',
        found: oneLine(found, 100),
      });
    return { mediaType, digest: found, size, annotations: fieldsOf(fields['annotations']) };
  });
  const config = fieldsOf(about);
  const configType = textOf(config['mediaType'], 255) ?? '';
  const origin = { kind: 'registry' as const, uri: `oci://${place.repository}@${digest}`, digest };
  const image = IMAGE.test(configType) && !layers.some(({ mediaType }) => isOllama(mediaType));
  if (image) {
    const wrapped = layers.map(({ digest: layer, size }) => ({ digest: layer, size, image }));
    return { origin, files: [], layers: wrapped };
  }
  const license = await statedLicense(place, config);
  const taken = layers.filter(({ mediaType }) => !DATASET.test(mediaType));
  const names = new Map<string, number>();
  const files: FoundFile[] = [];
  const archives: ModelLayer[] = [];
  for (const layer of taken) {
    if (isArchive(layer)) {
      const path = pathIn(layer.annotations);
      archives.push({ digest: layer.digest, size: layer.size, ...(path && { path }), image });
      continue;
    }
    const path = nameOf(layer, names);
    if (path === undefined)
      throw new StowageError(
        'source-unsupported',
        `${asked.what} has a layer without a file name`,
        {
          expected: `files with the annotation ${TITLE} or org.cncf.model.filepath`,
          found: `a layer of ${oneLine(layer.mediaType, 100)}`,
          hint: 'use an artifact of ModelPack, KitOps, Docker, Ollama or oras push, or an image with the model in /models',
        },
      );
    files.push({ path, size: layer.size, digest: layer.digest });
  }
  const [twice] = files.filter(
    ({ path }, at) => files.findIndex((each) => each.path === path) < at,
  );
  if (twice !== undefined)
    throw malformed(asked, { expected: 'each file once', found: `${quoted(twice.path)} twice` });
  return {
    ...{ origin, files },
    ...(archives.length === 0 ? {} : { layers: archives }),
    ...(license === undefined ? {} : { license }),
  };
}

function isArchive({ mediaType, annotations }: Layer): boolean {
  if (annotations[UNPACKED] === 'true') return true;
  return TAR.test(mediaType);
}

function isOllama(mediaType: string): boolean {
  return mediaType.startsWith('application/vnd.ollama.image.');
}

/** The names of files whose layers have none: those of Ollama and Docker. */
const NAMES: Readonly<Record<string, string>> = {
  'application/vnd.ollama.image.model': 'model.gguf',
  'application/vnd.ollama.image.projector': 'mmproj.gguf',
  'application/vnd.ollama.image.adapter': 'adapter.gguf',
  'application/vnd.ollama.image.template': 'template.txt',
  'application/vnd.ollama.image.system': 'system.txt',
  'application/vnd.ollama.image.params': 'params.json',
  'application/vnd.ollama.image.messages': 'messages.json',
  'application/vnd.ollama.image.license': 'LICENSE.txt',
  'application/vnd.docker.ai.gguf.v3': 'model.gguf',
  'application/vnd.docker.ai.gguf.v3.lora': 'adapter.gguf',
  'application/vnd.docker.ai.gguf.v3.mmproj': 'mmproj.gguf',
  'application/vnd.docker.ai.license': 'LICENSE.txt',
  'application/vnd.docker.ai.chat.template.jinja': 'chat_template.jinja',
};

/** The second of one kind is `LICENSE-2.txt`. */
function nameOf({ mediaType, annotations }: Layer, names: Map<string, number>): string | undefined {
  const stated = pathIn(annotations);
  if (stated !== undefined) return stated;
  const name = NAMES[mediaType];
  if (name === undefined) return undefined;
  const count = (names.get(name) ?? 0) + 1;
  names.set(name, count);
  return count === 1 ? name : name.replace(/(?=\.[a-z]+$)/, `-${count}`);
}

function pathIn(annotations: Fields): string | undefined {
  const key = Object.keys(annotations).find((each) => FILE_PATH.test(each)) ?? TITLE;
  return textOf(annotations[key], 4096) || undefined;
}

/** The license in the config of ModelPack (`descriptor.licenses`) or in a Kitfile (`package.license`). */
async function statedLicense(
  { registry, repository, signal }: Place,
  config: Fields,
): Promise<string | undefined> {
  const { mediaType, digest, size } = config;
  if (!/(?:cncf|cnai)\.model\.config|modelkit\.config/.test(String(mediaType))) return undefined;
  const bytes = sizeOf(size);
  if (typeof digest !== 'string' || !isDigest(digest) || bytes === undefined) return undefined;
  const blob = { digest, size: bytes, mediaType: String(mediaType) };
  const text = (await registry.small(repository, blob, signal)).toString('utf8');
  const { descriptor, package: kit, model } = fieldsOf(jsonOf(text));
  const [only, ...more] = textsOf(fieldsOf(descriptor)['licenses']);
  const stated =
    more.length > 0
      ? undefined
      : (only ?? textOf(fieldsOf(model)['license'], 256) ?? textOf(fieldsOf(kit)['license'], 256));
  return oneLine(stated ?? '', 256) || undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
