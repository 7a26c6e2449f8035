import { join } from 'node:path';
import { assemble } from '../../src/build/assemble.ts';
import { chainFiles } from '../../src/bundle/admission/trust-files.ts';
import { signBundle } from '../../src/bundle/signing/sign.ts';
import type { AlgorithmName, Role, Trust } from '../../src/format/trust.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { context, packedAt } from '../support/context.ts';
import { type SmallBundleOptions, smallBundle } from '../support/small-bundle.ts';
import { makeSigner } from '../trust/authority.ts';
import { makeParty, pin, rolesOf, TrustSimulator } from '../trust/simulator.ts';

export interface SignedBundleOptions extends SmallBundleOptions {
  /** One signature each, in a file named after it; P-384 alone unless said otherwise. */
  readonly algorithms?: readonly AlgorithmName[];
  /** Whether the role `release` asks for one signature by each of them. */
  readonly requiresAll?: boolean;
  /** Whether it carries trust documents 2 and 3: one that hands the role `root` on, and one by the heir alone. */
  readonly chain?: boolean;
  /** What the last of these has of its own. */
  readonly newest?: Partial<Trust>;
}

export interface SignedBundle {
  readonly folder: string;
  /** SHA-512 of `SHA512SUMS`. */
  readonly id: string;
  /** Version 1, which a site would have pinned. */
  readonly trust: Trust;
  readonly authority: TrustSimulator;
}

/** A bundle without images, signed in several ways and carrying trust documents. */
export async function signedBundle(options: SignedBundleOptions): Promise<SignedBundle> {
  const { algorithms = ['ecdsa-p384-sha384'], requiresAll = false } = options;
  const roles = rolesOf({ threshold: 1, roots: ['keeper'] });
  const release: Role = { threshold: algorithms.length, roots: ['vendor'], requires: algorithms };
  const authority = new TrustSimulator(requiresAll ? { roles: { ...roles, release } } : {});
  authority.clock = packedAt;
  if (options.chain === true) handOver(authority, options.newest);
  const { root, signer } = authority.vendor;
  const { place } = options;
  const { lock } = await smallBundle({
    images: false,
    ...options,
    authority: { root: root.certificate, signer, trust: authority.pinned },
  });
  const { folder, id } = await assemble(lock, {
    ...context(),
    store: new BlobStore(join(place, 'store')),
    output: join(place, 'bundle'),
    partSize: 0,
    trust: chainFiles(authority.links),
  });
  for (const algorithm of algorithms) {
    const holder = makeSigner(root, { name: `Release by ${algorithm}`, algorithm });
    await signBundle(folder, algorithm, { ...holder, algorithm }, packedAt);
  }
  return { folder, id, trust: authority.pinned, authority };
}

function handOver(authority: TrustSimulator, newest: Partial<Trust> = {}): void {
  const heir = makeParty('heir');
  const { pinned, keeper, vendor } = authority;
  authority.issue({
    trust: {
      roots: [pin(heir), pin(vendor)],
      roles: { ...pinned.roles, root: { threshold: 1, roots: ['heir'] } },
    },
    signers: [keeper.signer, heir.signer],
  });
  authority.issue({ trust: { channels: ['stable'], ...newest }, signers: [heir.signer] });
}
