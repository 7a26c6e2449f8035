import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeCanonical } from '../../src/format/document.ts';
import { type Role, type Trust, trustKind } from '../../src/format/trust.ts';
import { type AlgorithmName, allAlgorithms } from '../../src/trust/algorithm.ts';
import { signDetached } from '../../src/trust/cms-sign.ts';
import type { SignatureFile } from '../../src/trust/signature-file.ts';
import { type TrustLink, walkTrust } from '../../src/trust/trust-chain.ts';
import { type Holder, makeRoot, makeSigner } from './authority.ts';

/** A root, and the signers that it certified. */
export interface Party {
  readonly name: string;
  readonly root: Holder;
  readonly signer: Holder;
}

/** What a test bends of the next document. */
export interface Bend {
  readonly trust?: Partial<Trust>;
  /** What is written in place of the document. */
  readonly bytes?: Buffer;
  /** The number in the file's name. */
  readonly file?: number;
  readonly signers?: readonly Holder[];
}

export const DAY_MS: number = 24 * 60 * 60 * 1000;

export function makeParty(name: string, algorithm: AlgorithmName = 'ecdsa-p384-sha384'): Party {
  const root = makeRoot({ name, algorithm });
  return { name, root, signer: makeSigner(root, { name: `Signer of ${name}`, algorithm }) };
}

export function pin({ name, root }: Party): Trust['roots'][number] {
  return { name, certificate: root.certificate.der.toString('base64') };
}

export function rolesOf(root: Role, release: readonly string[] = ['vendor']): Trust['roles'] {
  return { root, release: { threshold: 1, roots: release } };
}

/**
 * An authority for trust documents, in the manner of python-tuf's repository simulator: it issues what a test asks for,
 * right or wrong, and a site walks it with a clock that a test can turn.
 */
export class TrustSimulator {
  clock: Date = new Date('2026-11-21T10:00:00Z');
  readonly keeper: Party = makeParty('keeper');
  readonly vendor: Party = makeParty('vendor');
  /** The document that the site has pinned. */
  pinned: Trust;
  links: TrustLink[] = [];
  #newest: Trust;
  #signatures = 0;

  constructor(changes: Partial<Trust> = {}) {
    this.pinned = {
      schema: 'stowage/trust/v1',
      version: 1,
      issuedAt: '2026-11-01T00:00:00Z',
      roots: [pin(this.keeper), pin(this.vendor)],
      roles: rolesOf({ threshold: 1, roots: ['keeper'] }),
      algorithms: allAlgorithms,
      revoked: [],
      ...changes,
    };
    this.#newest = this.pinned;
  }

  /** Issues the document after the newest: right, signed by the keeper, but for what is bent. */
  issue(bend: Bend = {}): TrustLink {
    const trust = { ...this.#newest, version: this.#newest.version + 1, ...bend.trust };
    const bytes = bend.bytes ?? writeCanonical(trustKind, trust);
    const version = bend.file ?? this.#newest.version + 1;
    const signers = bend.signers ?? [this.keeper.signer];
    const link = {
      version,
      bytes,
      signatures: signers.map((each) => this.sign(version, bytes, each)),
    };
    this.#newest = trust;
    this.links.push(link);
    return link;
  }

  sign(version: number, bytes: Buffer, signer: Holder): SignatureFile {
    this.#signatures += 1;
    const name = `${version}.trust.json.${this.#signatures}.p7s`;
    return { name, bytes: signDetached(bytes, signer, this.clock) };
  }

  /** What a site with the pinned document comes to. */
  walk(links: readonly TrustLink[] = this.links): Trust {
    return walkTrust(this.pinned, links, this.clock);
  }

  /** Writes the chain as it travels. */
  write(folder: string): void {
    for (const { version, bytes, signatures } of this.links) {
      writeFileSync(join(folder, `${version}.trust.json`), bytes);
      for (const each of signatures) writeFileSync(join(folder, each.name), each.bytes);
    }
  }
}
