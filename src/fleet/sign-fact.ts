import { signaturesBeside } from '../bundle/signing/signatures-beside.ts';
import { StowageError } from '../core/error.ts';
import { signDetached } from '../trust/cms-sign.ts';
import { requireCounted } from '../trust/policy.ts';
import { type ChangeOptions, changeFleet } from './change.ts';
import type { FleetFolder } from './fleet-folder.ts';
import { recordedFile } from './index/database.ts';
import { factAt } from './promote.ts';
import type { FactSigner } from './record-fact.ts';
import { readRecorded } from './recorded-file.ts';

export interface SignedFact {
  /** Relative to the folder of the fleet. */
  readonly signature: string;
  readonly inForce: boolean;
  /** Why it is not in force. */
  readonly reason?: string;
}

/**
 * Adds a signature to a recorded document of a fleet, if a role of the trust document counts it.
 * @param path relative to the folder of the fleet
 * @throws StowageError `file-missing`, `output-exists`, `fleet-damaged`, those of {@link requireCounted}
 */
export async function signFact(
  folder: FleetFolder,
  path: string,
  { by, role }: { readonly by: FactSigner; readonly role: 'release' | 'approval' },
  options: ChangeOptions,
): Promise<SignedFact> {
  return changeFleet(folder, options, async (fleet) => {
    const recorded = recordedFile(fleet.database, path);
    if (recorded === undefined || !isSigned(path)) throw notSignable(path);
    const bytes = readRecorded(recorded, folder.root);
    const now = options.now();
    const documents = await folder.trust(now);
    const trust = documents.at(-1) ?? documents[0];
    const signature = `${path}.${by.name}.p7s`;
    const content = signDetached(bytes, by.signer, now);
    requireCounted(
      { name: `${by.name}.p7s`, bytes: content },
      { content: bytes, signatures: await signaturesBeside(folder.path(path)) },
      { trust, role, now },
    );
    await fleet.add({
      ...{ action: 'sign', subject: path },
      files: [{ path: signature, bytes: content, recorded: true }],
    });
    const { document: _, ...state } = factAt(path, fleet);
    return { signature, ...state };
  });
}

function isSigned(path: string): boolean {
  return /^(?:sites|promotions|recalls|advisories)\/.*\.json$/.test(path);
}

function notSignable(path: string): StowageError {
  return new StowageError('file-missing', `${path} is no document of this fleet that people sign`, {
    expected: 'a document such as sites/NAME/1.json',
    found: path,
    hint: 'stowage fleet check names the documents that lack a signature',
  });
}
