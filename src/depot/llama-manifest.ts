import type { ServerResponse } from 'node:http';
import type { DepotRequest } from './handler.ts';
import { findRevision, type HubFile, type HubRepository } from './hub-file.ts';
import { refuseHub } from './hub-send.ts';
import { sendJson } from './send.ts';

const ROUTE = /^\/v2\/([^/]+\/[^/]+)\/manifests\/([^/]+)$/;
/** The default quantisations of llama.cpp, in this order. */
const DEFAULTS = ['Q4_K_M', 'Q8_0'] as const;

/**
 * Answers the request by which llama.cpp of 2025 finds the GGUF file of a tag. Its path is one of the OCI API; as on the
 * Hub, the user agent distinguishes the two.
 * @returns false for any other request
 */
export function sendLlamaManifest(
  path: string,
  repositories: ReadonlyMap<string, HubRepository>,
  request: DepotRequest,
  response: ServerResponse,
): boolean {
  const [, id = '', tag = ''] = ROUTE.exec(path) ?? [];
  const { method, message } = request;
  if (id === '' || method !== 'GET') return false;
  if (!/^llama-cpp\b/.test(message.headers['user-agent'] ?? '')) return false;
  const repository = repositories.get(id.toLowerCase());
  const revision = repository && findRevision(repository, 'main');
  if (revision === undefined) return false;
  const files = [...revision.files.values()].filter(({ path: each }) => /\.gguf$/i.test(each));
  const model = modelFor(files, tag);
  if (model === undefined) {
    refuseHub(request, response, 'EntryNotFound', revision.commit);
    return true;
  }
  const projector = files.find(isProjector);
  sendJson({ request, response }, 200, {
    ggufFile: described(model),
    ...(projector === undefined ? {} : { mmprojFile: described(projector) }),
  });
  return true;
}

/** The file of a quantisation; the first of a split one. */
export function modelFor(files: readonly HubFile[], tag: string): HubFile | undefined {
  const models = files.filter((each) => !isProjector(each) && isFirstPiece(each));
  const ofTag = (name: string): HubFile | undefined =>
    models.find(({ path }) => quantisation(path) === name.toUpperCase());
  if (tag.toLowerCase() !== 'latest') return ofTag(tag);
  for (const each of DEFAULTS) {
    const found = ofTag(each);
    if (found !== undefined) return found;
  }
  return models[0];
}

function quantisation(path: string): string | undefined {
  const name = path.replace(/\.gguf$/i, '').replace(/-[0-9]{5}-of-[0-9]{5}$/, '');
  return /[-.]([A-Z0-9_]+)$/i.exec(name)?.[1]?.toUpperCase();
}

function isFirstPiece({ path }: HubFile): boolean {
  return Number(/-([0-9]{5})-of-[0-9]{5}\.gguf$/i.exec(path)?.[1] ?? '1') === 1;
}

function isProjector({ path }: HubFile): boolean {
  return /(?:^|\/)[^/]*mmproj[^/]*$/i.test(path);
}

function described({ path, size, lfs }: HubFile): object {
  const large = lfs && { sha256: lfs.oid, size, pointerSize: lfs.pointerSize };
  return { rfilename: path, size, ...(large && { lfs: large }) };
}
