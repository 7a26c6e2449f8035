import { parseDocument } from 'yaml';
import { checkSize, type DocumentKind, readValue, refuseDocument } from './document.ts';

/** Reads a document that a person wrote in YAML. @throws StowageError with the kind's code, every defect listed */
export function readYaml<T>(kind: DocumentKind<T>, bytes: Uint8Array): T {
  checkSize(kind, bytes);
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const yaml = parseDocument(text, { prettyErrors: true, uniqueKeys: true });
    for (const defect of [...yaml.errors, ...yaml.warnings]) throw defect;
    value = yaml.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    const found = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : 'invalid text';
    throw refuseDocument(kind, `${kind.name} is not valid YAML`, {
      expected: 'YAML in UTF-8, without aliases',
      found,
    });
  }
  return readValue(kind, value);
}
