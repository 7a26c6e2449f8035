import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readIndex } from '../../src/bundle/read-index.ts';
import { attachRehearsal } from '../../src/bundle/rehearsal/attach-rehearsal.ts';
import { signBundle } from '../../src/bundle/signing/sign.ts';
import { canonicalBytes, type Json } from '../../src/core/json.ts';
import type { Bundle } from '../../src/format/bundle.ts';
import { type Rehearsal, rehearsalPaths, rehearsedDigest } from '../../src/format/rehearsal.ts';
import { signDetached } from '../../src/trust/cms-sign.ts';
import { packedAt } from './context.ts';
import { type Authority, resign, type SmallBundle } from './small-bundle.ts';

/** A rehearsal of a bundle that passed, but for what is said otherwise. */
export function rehearsalOf(bundle: Bundle, values: Partial<Rehearsal> = {}): Rehearsal {
  const { name, version, seq } = bundle;
  return {
    schema: 'stowage/rehearsal/v1',
    at: '2026-11-20T10:00:00Z',
    tool: 'stowage 0.1.0',
    target: 'podman',
    engine: { name: 'podman', version: '5.2.0', rootless: false },
    platform: 'linux/amd64',
    release: { name, version, seq },
    content: rehearsedDigest(bundle),
    passed: true,
    failures: [],
    ...{ gates: [], evaluations: [], attempts: [], services: [], unseen: [] },
    peakMemoryBytes: 1,
    ...values,
  };
}

/** Writes a document and its signature as `rehearse` does, valid or not. @returns the path of the document */
export function writeRehearsal(place: string, document: object, { signer }: Authority): string {
  const bytes = canonicalBytes(document as Json);
  writeFileSync(`${place}.json`, bytes);
  writeFileSync(`${place}.p7s`, signDetached(bytes, signer, packedAt));
  return `${place}.json`;
}

/** Takes the signatures off a bundle or its discs, as it was before the first one. */
export function unsign(folder: string): void {
  for (const each of [folder, ...readdirSync(folder).map((name) => join(folder, name))])
    rmSync(join(each, 'signatures'), { recursive: true, force: true });
}

/** A copy of a bundle with its rehearsal attached, and signed. */
export async function rehearsedBundle(
  small: SmallBundle,
  folder: string,
  values: Partial<Rehearsal> = {},
): Promise<SmallBundle> {
  unsign(folder);
  const file = writeRehearsal(`${folder}.rehearsal`, rehearsalOf(small.bundle, values), small);
  await attachRehearsal(folder, file, { replace: false });
  await signBundle(folder, 'release', small.signer, packedAt);
  const { id, bundle } = await readIndex(folder);
  return { ...small, folder, id, bundle };
}

/** Puts another document in the place of the rehearsal that a bundle has, and signs the bundle again with the right key. */
export function planted(small: SmallBundle, document: Buffer): SmallBundle {
  const { folder, authority } = small;
  writeFileSync(join(folder, rehearsalPaths.document), document);
  const signature = signDetached(document, authority.signer, packedAt);
  writeFileSync(join(folder, rehearsalPaths.signature), signature);
  const id = resign(folder, authority);
  const bundle = JSON.parse(readFileSync(join(folder, 'bundle.json'), 'utf8')) as Bundle;
  return { ...small, id, bundle };
}
