import { StowageError } from '../core/error.ts';
import { counted } from '../core/text.ts';
import { readTrustDocument, type Trust, trustKind } from '../format/trust.ts';
import { evaluateSignatures } from './policy.ts';
import { prefixing, type SignatureFile } from './signature-file.ts';

/** A trust document on the media, `N.trust.json` with its signatures; not verified yet. */
export interface TrustLink {
  /** The number in the file's name. */
  readonly version: number;
  readonly bytes: Buffer;
  readonly signatures: readonly SignatureFile[];
}

/** The most documents in one chain. */
export const MAX_TRUST_LINKS = 1000;

/**
 * Moves from a pinned trust document to its newest successor, one version at a time (TUF specification 5.3). Each step
 * needs the `root` threshold of the previous document and of the new one. Links at or below the pinned version are not
 * read, and never replace it.
 * @param links in ascending order of version
 * @param now one time for the whole chain (TUF 5.1)
 * @returns the pinned document itself if it has no successor
 * @throws StowageError `trust-conflict` (order, gap, wrong version, expired, too many), `document-invalid`, and what
 * {@link evaluateSignatures} throws
 */
export function walkTrust(pinned: Trust, links: readonly TrustLink[], now: Date): Trust {
  requireOrder(links);
  const next = links.filter(({ version }) => version > pinned.version);
  const newest = next.reduce((trust, link) => follow(trust, link, now), pinned);
  requireUnexpired(newest, now);
  return newest;
}

/**
 * Follows a chain from its own first document, which is trusted: lets the sender check that sites can follow it.
 * @throws StowageError as {@link walkTrust}
 */
export function walkFromFirst(links: readonly TrustLink[], now: Date): Trust | undefined {
  const [first] = links;
  if (first === undefined) return undefined;
  const trust = prefixing(`trust document ${first.version}`, () => readTrustDocument(first.bytes));
  requireVersion(trust, first);
  return walkTrust(trust, links, now);
}

function follow(trust: Trust, link: TrustLink, now: Date): Trust {
  const { version, bytes, signatures } = link;
  if (version !== trust.version + 1)
    throw conflict(`trust document ${trust.version + 1} is missing from the chain`, {
      expected: `${trust.version + 1}.trust.json, which follows ${trust.version}`,
      found: `${version}.trust.json`,
      hint: 'ask the release engineer for the whole chain: every document after the one that the site has',
    });
  // TUF 5.3.3: a ceiling on the size before anything else.
  if (bytes.length > trustKind.maxBytes)
    throw conflict(`trust document ${version} is too large`, {
      expected: `at most ${trustKind.maxBytes} bytes`,
      found: counted(bytes.length, 'byte'),
      hint: 'do not use it; ask the security officer for the right one',
    });
  // TUF 5.3.4, first half: a threshold of the keys in version N, over bytes that have not been parsed.
  prefixing(`trust document ${version}, judged by ${trust.version}`, () =>
    evaluateSignatures(trust, 'root', { content: bytes, signatures }, now),
  );
  const next = prefixing(`trust document ${version}`, () => readTrustDocument(bytes));
  // TUF 5.3.4, second half: a threshold of the keys in version N+1, so that its successor can be verified.
  prefixing(`trust document ${version}, judged by itself`, () =>
    evaluateSignatures(next, 'root', { content: bytes, signatures }, now),
  );
  // TUF 5.3.5: the signed version is exactly N+1, whatever the name of the file.
  requireVersion(next, link);
  // TUF 5.3.6: whether an intermediate document has expired does not matter.
  return next;
}

function requireVersion(trust: Trust, { version }: TrustLink): void {
  if (trust.version === version) return;
  throw conflict(`${version}.trust.json contains another version`, {
    expected: `version ${version}`,
    found: `version ${trust.version}`,
    hint: 'name each trust document after its version',
  });
}

function requireOrder(links: readonly TrustLink[]): void {
  if (links.length > MAX_TRUST_LINKS)
    throw conflict('the chain has too many trust documents', {
      expected: `at most ${MAX_TRUST_LINKS}`,
      found: String(links.length),
      hint: 'omit old documents that every site already has',
    });
  const at = links.findIndex(
    ({ version }, index) => version <= (links[index - 1]?.version ?? version - 1),
  );
  if (at === -1) return;
  throw conflict('the trust documents are out of order', {
    expected: 'ascending versions, each once',
    found: `${links[at]?.version} after ${links[at - 1]?.version}`,
    hint: 'give each trust document once, named after its version',
  });
}

/** TUF 5.3.10: the last document must not have expired, which prevents a freeze attack. */
function requireUnexpired({ version, expiresAt }: Trust, now: Date): void {
  if (expiresAt === undefined || now < new Date(expiresAt)) return;
  throw conflict(`trust document ${version} has expired`, {
    expected: `a time before ${expiresAt}`,
    found: now.toISOString(),
    hint: "check this host's clock; if it is right, ask for a bundle that carries the next trust document",
  });
}

function conflict(
  message: string,
  details: { expected: string; found: string; hint: string },
): StowageError {
  return new StowageError('trust-conflict', message, details);
}
