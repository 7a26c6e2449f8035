import { createHash } from 'node:crypto';
import { StowageError } from '../../core/error.ts';
import { counted } from '../../core/text.ts';
import { readTrustDocument, type Trust, trustBytes } from '../../format/trust.ts';
import { decodeCertificates } from '../../trust/certificate-file.ts';
import { trustFromRoot } from '../../trust/trust-root.ts';

/** A trust document that the user gave, and the fingerprint to compare with the printed one. */
export interface GivenTrust {
  readonly trust: Trust;
  /** SHA-256 of the root certificate's DER, or of the trust document; 64 lower-case hex digits. */
  readonly fingerprint: string;
  /** A name for what the fingerprint identifies. */
  readonly subject: string;
}

/**
 * Reads a trust document, or a root certificate that stands for one: a single release signature under that root.
 * @throws StowageError `certificate-invalid`, `document-invalid`
 */
export function readTrust(bytes: Buffer, now: Date): GivenTrust {
  if (bytes[0] === 0x7b) {
    const trust = readTrustDocument(bytes);
    return {
      trust,
      fingerprint: trustFingerprint(trust),
      subject: `trust document ${trust.version}`,
    };
  }
  const [root, ...others] = decodeCertificates(bytes);
  if (root === undefined || others.length > 0) {
    throw new StowageError(
      'certificate-invalid',
      'the trust file does not contain exactly one root certificate',
      {
        expected: 'one certificate, or a trust document',
        found: counted(others.length + (root === undefined ? 0 : 1), 'certificate'),
        hint: 'give the root certificate that the security officer gave you',
      },
    );
  }
  return { trust: trustFromRoot(root, now), fingerprint: root.fingerprint, subject: root.subject };
}

/**
 * The trust document that a site checks a bundle against: the pinned one or, at a site without one, the given one after
 * its fingerprint was confirmed.
 * @param confirm asks the user, or compares with what they entered; true when it matches the printed fingerprint
 * @throws StowageError `trust-missing`, `trust-conflict`, `trust-unconfirmed`
 */
export async function anchorTrust(
  pinned: Trust | undefined,
  given: GivenTrust | undefined,
  confirm: (given: GivenTrust) => Promise<boolean>,
): Promise<Trust> {
  if (pinned !== undefined) {
    if (given === undefined || rootsOf(given.trust) === rootsOf(pinned)) return pinned;
    throw new StowageError('trust-conflict', 'this site already trusts other roots', {
      expected: rootsOf(pinned),
      found: rootsOf(given.trust),
      hint: 'omit --trust; a new trust document reaches a site in a bundle, signed as the pinned one requires',
    });
  }
  if (given === undefined) throw noTrust();
  if (await confirm(given)) return given.trust;
  throw new StowageError(
    'trust-unconfirmed',
    `the fingerprint of ${given.subject} was not confirmed`,
    {
      expected: 'the printed fingerprint',
      found: 'no fingerprint, or another one',
      hint: 'compare it with the printed fingerprint from the security officer, then pass it with --fingerprint',
    },
  );
}

export function trustFingerprint(trust: Trust): string {
  return createHash('sha256').update(trustBytes(trust)).digest('hex');
}

function rootsOf(trust: Trust): string {
  const fingerprints = trust.roots.map((root) =>
    createHash('sha256').update(Buffer.from(root.certificate, 'base64')).digest('hex'),
  );
  return fingerprints.toSorted().join(', ');
}

/** @throws StowageError `trust-missing` at a site that has none */
export function requireTrust(pinned: Trust | undefined): Trust {
  if (pinned === undefined) throw noTrust();
  return pinned;
}

function noTrust(): StowageError {
  return new StowageError('trust-missing', 'this site has no trust document yet', {
    expected: '--trust with the root certificate, at the first install',
    found: 'none',
    hint: 'get the root certificate and its printed fingerprint from the security officer',
  });
}
