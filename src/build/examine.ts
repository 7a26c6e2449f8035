import { StowageError } from '../core/error.ts';
import type { Finding, LockedModel } from '../format/lock.ts';
import type { ModelSource } from '../format/manifest.ts';

/**
 * What can be said of a model from its list of files and its card.
 * @throws StowageError `content-refused` for a licence that the manifest does not list
 */
export function examineModel(source: ModelSource, model: LockedModel): Finding[] {
  checkLicense(source, model);
  const findings: Finding[] = [];
  if (model.license === undefined) {
    findings.push({
      source: source.name,
      file: 'README.md',
      rule: 'license-unknown',
      severity: 'warning',
      message: 'the model card names no licence',
    });
  }
  for (const file of model.files) {
    if (!/\.py$/i.test(file.path)) continue;
    findings.push({
      source: source.name,
      file: file.path,
      rule: 'remote-code',
      severity: 'warning',
      message: 'program code that a server runs when it trusts remote code',
    });
  }
  return findings;
}

function checkLicense(source: ModelSource, model: LockedModel): void {
  if (source.licenses === undefined) return;
  const allowed = source.licenses.map((each) => each.toLowerCase());
  if (model.license !== undefined && allowed.includes(model.license.toLowerCase())) return;
  throw new StowageError(
    'content-refused',
    `the licence of model ${source.name} is not on the manifest's list`,
    {
      expected: source.licenses.join(', '),
      found: model.license ?? 'no licence in the model card',
      hint: `read the licence at ${model.endpoint}/${model.repository} and, if it may cross, add it to licenses`,
    },
  );
}

/**
 * Refuses a model file whose first bytes are a pickle's, whatever its name: it runs code when it is loaded.
 * @param head the file's first bytes, 64 at least where it has so many
 * @throws StowageError `content-refused`
 */
export function refusePickle(model: string, path: string, head: Uint8Array): void {
  const kind = pickleKind(Buffer.from(head));
  if (kind === undefined) return;
  throw new StowageError('content-refused', `${path} of model ${model} is ${kind}`, {
    expected: 'weights that run no code when they are loaded: safetensors or GGUF',
    found: kind,
    hint: `add "${path}" to the model's exclude list, or take a repository with safetensors`,
  });
}

function pickleKind(head: Buffer): string | undefined {
  // Protocol 2 and later open with PROTO, its number and an opcode, and no opcode is below `(`: safetensors whose
  // header has 640 bytes begins with the first two as well. PyTorch's zip holds a pickle at */data.pkl.
  const [proto = 0, protocol = 0, opcode = 0] = head;
  if (proto === 0x80 && protocol >= 2 && protocol <= 5 && opcode >= 0x28) return 'a Python pickle';
  const text = head.toString('latin1');
  if (text.startsWith('PK\x03\x04') && /data\.pkl|\.pkl/.test(text))
    return 'a PyTorch archive with a pickle in it';
  return undefined;
}
