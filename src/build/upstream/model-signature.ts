import { createHash } from 'node:crypto';
import { digestHex } from '../../core/digest.ts';
import { type Fields, fieldsOf, textOf } from '../../core/json.ts';
import type { LockedModelFile } from '../../format/locked-content.ts';
import type { SignatureVerdict } from '../../format/upstream.ts';
import { parseStrict, printable, refuse } from './refusal.ts';
import { type OpenedRequirement, verifySigner } from './signer.ts';
import { preAuthentication, readSigstoreBundle } from './sigstore-bundle.ts';

const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const STATEMENT = 'https://in-toto.io/Statement/v1';
const PREDICATE = 'https://model_signing/signature/v1.0';
/** Paths at the top of the model that section 6.2 of the specification excludes. */
const ALWAYS_IGNORED = ['.git', '.gitignore', '.gitattributes', '.github'];
const HEX_64 = /^[0-9a-f]{64}$/;
const MAX_RESOURCES = 200_000;
const MAX_IGNORED = 1000;

/** A model as the lock records it, with the rest of its repository listing. */
export interface SignedModel {
  readonly files: readonly LockedModelFile[];
  /** Every path of the repository: a signed file that the manifest excludes is not missing. */
  readonly listed: ReadonlySet<string>;
  /** The signature's own path. */
  readonly signature: string;
}

/**
 * Verifies an OpenSSF Model Signing signature (version 1.0) over the files of a lock. The SHA-256 of a resource is the
 * digest of its blob, so no file is read again. Every file of the lock must be signed, or ignored by the signature's own
 * rules; every signed file must be in the lock, or excluded by the manifest.
 * @throws StowageError `upstream-refused`
 */
export function verifyModelSignature(
  bytes: Uint8Array,
  model: SignedModel,
  opened: OpenedRequirement,
  now: Date,
): Omit<SignatureVerdict, 'result' | 'trusted' | 'signature'> {
  const { content, ...others } = readSigstoreBundle(bytes);
  if (content.kind !== 'dsse' || content.payloadType !== PAYLOAD_TYPE)
    throw refuse(
      'a signature over something other than a model',
      PAYLOAD_TYPE,
      content.kind === 'dsse' ? content.payloadType : 'a message signature',
    );
  const { payloadType, payload, signature } = content;
  const signed = preAuthentication(payloadType, payload);
  const presented = { ...others, signed, payload, signature, rule: 'curve' } as const;
  const verified = verifySigner(presented, opened, now);
  const statement = readStatement(payload);
  const unsigned = compare(statement, model);
  return { form: 'model-signing', ...verified, ...(unsigned.length === 0 ? {} : { unsigned }) };
}

interface Statement {
  readonly resources: ReadonlyMap<string, string>;
  readonly ignored: readonly string[];
}

function readStatement(payload: Buffer): Statement {
  const statement = parseStrict(payload, 'the signed statement');
  for (const [member, expected] of [
    ['_type', STATEMENT],
    ['predicateType', PREDICATE],
  ] as const) {
    if (statement[member] !== expected)
      throw refuse('a statement of another kind', expected, String(statement[member]));
  }
  const predicate = fieldsOf(statement['predicate']);
  const serialization = fieldsOf(predicate['serialization']);
  requireWholeFiles(serialization);
  const list = predicate['resources'];
  if (!Array.isArray(list) || list.length === 0 || list.length > MAX_RESOURCES)
    throw refuse('a statement without files', `1 to ${MAX_RESOURCES} resources`, 'another number');
  const resources = new Map<string, string>();
  for (const each of list.map(fieldsOf)) {
    const name = resourceName(each);
    if (resources.has(name)) throw refuse('a file signed twice', 'each file once', name);
    resources.set(name, textOf(each['digest'], 64) ?? '');
  }
  requireRoot(statement, resources);
  return { resources, ignored: ignoredPaths(serialization) };
}

function requireWholeFiles(serialization: Fields): void {
  const [method, hash] = [
    textOf(serialization['method'], 64),
    textOf(serialization['hash_type'], 64),
  ];
  if (method === 'files' && hash === 'sha256') return;
  throw refuse(
    'a signature over something other than the SHA-256 of whole files',
    'method files, hash_type sha256',
    `${method}, ${hash}`,
    'ask the publisher for a signature over whole files by SHA-256: shards and other hashes would require reading every byte again',
  );
}

function resourceName(resource: Fields): string {
  const name = textOf(resource['name'], 4096) ?? '';
  const whole = resource['algorithm'] === 'sha256' && HEX_64.test(String(resource['digest']));
  const segments = name.split('/');
  if (whole && !segments.some((each) => each === '' || each === '.' || each === '..')) return name;
  throw refuse('an unreadable resource', 'a relative path and its SHA-256', printable(name));
}

/** Section 6.5.1: SHA-256 over the digests in their order. */
function requireRoot(statement: Fields, resources: ReadonlyMap<string, string>): void {
  const root = createHash('sha256');
  for (const digest of resources.values()) root.update(Buffer.from(digest, 'hex'));
  const { subject } = statement;
  const [only, ...rest] = Array.isArray(subject) ? subject.map(fieldsOf) : [];
  const expected = root.digest('hex');
  const found = fieldsOf(only?.['digest'])['sha256'];
  if (rest.length === 0 && found === expected) return;
  throw refuse('a statement that contradicts itself', `root digest ${expected}`, String(found));
}

function ignoredPaths(serialization: Fields): string[] {
  const list = serialization['ignore_paths'] ?? [];
  const paths = Array.isArray(list) ? list.map((each) => textOf(each, 4096) ?? '') : [''];
  if (paths.length <= MAX_IGNORED && !paths.includes(''))
    return paths.map((each) => each.replace(/\/+$/, ''));
  throw refuse('unreadable ignore_paths', `at most ${MAX_IGNORED} paths`, 'something else');
}

/** @returns the files that are unsigned, as the signature allows */
function compare({ resources, ignored }: Statement, model: SignedModel): string[] {
  const outside = [...ALWAYS_IGNORED, ...ignored];
  const isIgnored = (path: string): boolean =>
    outside.some((each) => path === each || path.startsWith(`${each}/`));
  const unsigned: string[] = [];
  for (const { path, digest } of model.files) {
    if (path === model.signature) continue;
    const signed = resources.get(path);
    if (signed === undefined && isIgnored(path)) unsigned.push(path);
    else if (signed === undefined)
      throw refuse(
        `${path} is not signed`,
        'every file of the model in the signature',
        'a file that the signature does not list',
        `exclude ${path} in the manifest, or ask the publisher to sign the model again`,
      );
    else if (signed !== digestHex(digest))
      throw refuse(`${path} is not what was signed`, `sha256:${signed}`, digest);
  }
  const missing = [...resources.keys()].find((path) => !model.listed.has(path));
  if (missing === undefined) return unsigned;
  throw refuse('a signed file is missing', printable(missing), 'no such file');
}
