import { constants, createHash, type KeyObject, sign, verify } from 'node:crypto';
import { StowageError } from '../core/error.ts';
import type { AlgorithmName } from '../format/trust.ts';
import { type Der, explicit, integer, nullValue, oid, sequence } from './der.ts';

/** The accepted kinds of signing keys. */
export type KeyKind = 'ec-p384' | 'rsa' | 'ml-dsa-87';

/** Smallest RSA modulus, in bits, that CNSA 1.0 and 2.0 accept. */
export const MIN_RSA_BITS = 3072;

const RSA_EXPONENT = 65537n;

/** The kind of a key; undefined if it is not accepted. See {@link keyDescription}. */
export function keyKind(key: KeyObject): KeyKind | undefined {
  const details = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec':
      return details.namedCurve === 'secp384r1' ? 'ec-p384' : undefined;
    case 'rsa':
      return (details.modulusLength ?? 0) >= MIN_RSA_BITS && details.publicExponent === RSA_EXPONENT
        ? 'rsa'
        : undefined;
    case 'ml-dsa-87':
      return 'ml-dsa-87';
    default:
      return undefined;
  }
}

/** Describes a key for a message: type, size and exponent or curve; nothing secret. */
export function keyDescription(key: KeyObject): string {
  const details = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec':
      return `an elliptic-curve key on ${details.namedCurve ?? 'an unnamed curve'}`;
    case 'rsa':
      return `an RSA key of ${details.modulusLength} bits with exponent ${details.publicExponent}`;
    default:
      return `a key of type ${key.asymmetricKeyType ?? key.type}`;
  }
}

/** The accepted keys, for a message. */
export const acceptedKeys: string = `a key on P-384, RSA of ${MIN_RSA_BITS} bits or more with exponent 65537, or ML-DSA-87`;

/** Object identifiers, each with the document that assigns it. */
export const oids = {
  /** RFC 5652 (CMS) */
  data: '1.2.840.113549.1.7.1',
  signedData: '1.2.840.113549.1.7.2',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingTime: '1.2.840.113549.1.9.5',
  /** RFC 5035 */
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',

  /** RFC 8017, RFC 4055 */
  rsaEncryption: '1.2.840.113549.1.1.1',
  mgf1: '1.2.840.113549.1.1.8',
  rsaPss: '1.2.840.113549.1.1.10',
  sha384WithRsa: '1.2.840.113549.1.1.12',
  /** RFC 5480, RFC 5758 */
  ecPublicKey: '1.2.840.10045.2.1',
  secp384r1: '1.3.132.0.34',
  ecdsaWithSha384: '1.2.840.10045.4.3.3',
  /** RFC 9881, RFC 9882 */
  mlDsa87: '2.16.840.1.101.3.4.3.19',
  /** RFC 5754 */
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',

  /** RFC 8018 (PKCS #5), RFC 3565 */
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
  hmacWithSha512: '1.2.840.113549.2.11',
  aes256Cbc: '2.16.840.1.101.3.4.1.42',

  /** X.520, RFC 4519, RFC 5280 appendix A */
  commonName: '2.5.4.3',
  organization: '2.5.4.10',

  /** RFC 5280 section 4.2 */
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  emailProtection: '1.3.6.1.5.5.7.3.4',
} as const;

export type { AlgorithmName } from '../format/trust.ts';

type DigestName = 'sha384' | 'sha512';

interface Algorithm {
  readonly keyKind: KeyKind;
  /** Hash of the content, of the signed attributes' certificate, and of the signature where it hashes first. */
  readonly digest: DigestName;
  /** The AlgorithmIdentifier, in the one encoding that is written and accepted. */
  readonly identifier: Der;
  /** The options of node:crypto; undefined for an algorithm that signs the message itself. */
  readonly options?: {
    readonly padding?: number;
    readonly saltLength?: number;
    readonly dsaEncoding?: 'der';
  };
}

const PSS_SALT_BYTES = 48;
const sha384 = sequence(oid(oids.sha384), nullValue());

/** The closed table of algorithms: no other can sign or verify. */
const table: Readonly<Record<AlgorithmName, Algorithm>> = {
  /** RFC 5758: ecdsa-with-SHA384, parameters absent. */
  'ecdsa-p384-sha384': {
    keyKind: 'ec-p384',
    digest: 'sha384',
    identifier: sequence(oid(oids.ecdsaWithSha384)),
    options: { dsaEncoding: 'der' },
  },
  /** RFC 4055 section 5: sha384WithRSAEncryption, parameters NULL. */
  'rsa-pkcs1-sha384': {
    keyKind: 'rsa',
    digest: 'sha384',
    identifier: sequence(oid(oids.sha384WithRsa), nullValue()),
    options: { padding: constants.RSA_PKCS1_PADDING },
  },
  /** RFC 4055 section 3.1: SHA-384, MGF1 with SHA-384, a salt as long as the hash. */
  'rsa-pss-sha384': {
    keyKind: 'rsa',
    digest: 'sha384',
    identifier: sequence(
      oid(oids.rsaPss),
      sequence(
        explicit(0, sha384),
        explicit(1, sequence(oid(oids.mgf1), sha384)),
        explicit(2, integer(PSS_SALT_BYTES)),
      ),
    ),
    options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: PSS_SALT_BYTES },
  },
  /** RFC 9881 and RFC 9882: the pure variant, empty context, parameters absent. */
  'ml-dsa-87': {
    keyKind: 'ml-dsa-87',
    digest: 'sha512',
    identifier: sequence(oid(oids.mlDsa87)),
  },
};

const digestIdentifiers: Readonly<Record<DigestName, Der>> = {
  sha384: sequence(oid(oids.sha384)),
  sha512: sequence(oid(oids.sha512)),
};

/** Every algorithm of the table; the default of each kind of key comes first. */
export const allAlgorithms: readonly AlgorithmName[] = Object.keys(table) as AlgorithmName[];

/** The default algorithm of a key. @throws StowageError `algorithm-refused` */
export function defaultAlgorithm(key: KeyObject): AlgorithmName {
  const kind = keyKind(key);
  const name = allAlgorithms.find((each) => table[each].keyKind === kind);
  if (name !== undefined) return name;
  throw refuse('a key of a kind that is not accepted', acceptedKeys, keyDescription(key));
}

/** Whether a key has the kind and strength that an algorithm requires. */
export function algorithmFits(name: AlgorithmName, key: KeyObject): boolean {
  return keyKind(key) === table[name].keyKind;
}

/** The AlgorithmIdentifier of a signature algorithm. */
export function algorithmIdentifier(name: AlgorithmName): Der {
  return table[name].identifier;
}

/** The algorithm that has exactly this AlgorithmIdentifier, parameters included; undefined for any other. */
export function algorithmOf(identifier: Der): AlgorithmName | undefined {
  return allAlgorithms.find((name) => table[name].identifier.bytes.equals(identifier.bytes));
}

/** The AlgorithmIdentifier of an algorithm's hash, parameters absent (RFC 5754 section 2). */
export function digestIdentifier(name: AlgorithmName): Der {
  return digestIdentifiers[table[name].digest];
}

/** An algorithm's hash of some bytes: SHA-384, or SHA-512 beside ML-DSA-87 (RFC 9882 section 3.3). */
export function digestWith(name: AlgorithmName, bytes: Uint8Array): Buffer {
  return createHash(table[name].digest).update(bytes).digest();
}

/** Signs a message. @throws StowageError `algorithm-refused` if the key or the runtime does not support the algorithm */
export function signWith(name: AlgorithmName, key: KeyObject, message: Uint8Array): Buffer {
  const { digest, options } = usable(name, key);
  return attempt(name, () =>
    options === undefined ? sign(null, message, key) : sign(digest, message, { key, ...options }),
  );
}

/**
 * Whether a signature over a message was made by this key.
 * @throws StowageError `algorithm-refused` if the key or the runtime does not support the algorithm: it never returns
 * without a calculation
 */
export function verifyWith(
  name: AlgorithmName,
  key: KeyObject,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const { digest, options } = usable(name, key);
  return attempt(name, () =>
    options === undefined
      ? verify(null, message, key, signature)
      : verify(digest, message, { key, ...options }, signature),
  );
}

function usable(name: AlgorithmName, key: KeyObject): Algorithm {
  if (algorithmFits(name, key)) return table[name];
  throw refuse(`a key that ${name} cannot use`, `a key for ${name}`, keyDescription(key));
}

function attempt<T>(name: AlgorithmName, calculate: () => T): T {
  try {
    return calculate();
  } catch (cause) {
    throw unsupported(name, cause);
  }
}

/** The error for an algorithm that this runtime's OpenSSL cannot compute. */
export function unsupported(name: AlgorithmName, cause: unknown): StowageError {
  return new StowageError('algorithm-refused', `this runtime cannot compute ${name}`, {
    expected: 'OpenSSL 3.5 or later inside Node 24.15 or later',
    hint: 'run the installer in the bundle, which includes its own runtime; stowage doctor lists the algorithms of a runtime',
    cause,
  });
}

function refuse(message: string, expected: string, found: string): StowageError {
  return new StowageError('algorithm-refused', message, {
    expected,
    found,
    hint: 'sign with a key of an accepted kind; stowage pki generates one for trials',
  });
}
