import {
  appendFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { admit } from '../../../src/bundle/admission/admit.ts';
import { signatureName, signBundle } from '../../../src/bundle/signing/sign.ts';
import type { ErrorCode } from '../../../src/core/error.ts';
import { context, packedAt } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { makeAuthority, type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { tree } from '../../support/tree.ts';

const scratch = scratchFolder();
const officer = makeAuthority('Second Agency');
let small: SmallBundle;

beforeAll(async () => {
  small = await smallBundle({ place: scratch.fresh() });
});

/** Every file's bytes, mode, and the moment of its last change in nanoseconds; folders by name. */
function everything(folder: string): Record<string, string> {
  const entries = tree(folder);
  for (const path of readdirSync(folder, { recursive: true }) as string[]) {
    const status = lstatSync(join(folder, path), { bigint: true });
    if (status.isFile()) entries[path] += ` ${status.mtimeNs} ${status.ino}`;
  }
  return entries;
}

describe('when a finished bundle is countersigned', () => {
  it('changes no other file, nor its time', async () => {
    const folder = scratch.copy(small.folder);
    const before = everything(folder);
    const path = await signBundle(folder, 'approval-officer', officer.signer, packedAt);
    expect(path).toBe(join(folder, 'signatures', 'approval-officer.p7s'));
    const after = everything(folder);
    delete after['signatures/approval-officer.p7s'];
    expect(after).toEqual(before);
  });

  it('is still admitted, with one more signature that does not count as a release signature', async () => {
    const folder = scratch.copy(small.folder);
    await signBundle(folder, 'approval-officer', officer.signer, packedAt);
    const { signers } = await admit(folder, { ...context(), trust: small.trust });
    expect(signers.map(({ counted }) => counted)).toEqual([false, true]);
  });

  it('creates the signatures folder if it is missing', async () => {
    const folder = scratch.copy(small.folder);
    rmSync(join(folder, 'signatures'), { recursive: true });
    await signBundle(folder, 'release', small.signer, packedAt);
    await admit(folder, { ...context(), trust: small.trust });
  });
});

describe('when a bundle cannot be signed', () => {
  const refused = async (
    change: (folder: string) => void,
    code: Parameters<typeof expectCode>[1],
    name = 'second',
  ): Promise<void> => {
    const folder = scratch.copy(small.folder);
    change(folder);
    const before = tree(folder);
    await expectCode(() => signBundle(folder, name, small.signer, packedAt), code);
    expect(tree(folder)).toEqual(before);
  };

  it('rejects a name that is in use', () => refused(() => {}, 'output-exists', 'release'));

  it.each<[string, (path: string) => void, string]>([
    ['whose signature has the name', () => {}, 'a signature by O='],
    ['that the file is none', (path) => writeFileSync(path, 'x'), 'not a valid signature'],
  ])('shows %s', async (_, change, found) => {
    const folder = scratch.copy(small.folder);
    change(join(folder, 'signatures/release.p7s'));
    const sign = (): Promise<string> => signBundle(folder, 'release', small.signer, packedAt);
    expect((await expectCode(sign, 'output-exists')).found).toContain(found);
  });

  it('rejects a folder without SHA512SUMS', () =>
    refused((folder) => rmSync(join(folder, 'SHA512SUMS')), 'bundle-absent'));

  it('rejects a malformed SHA512SUMS', () =>
    refused((folder) => writeFileSync(join(folder, 'SHA512SUMS'), 'x'), 'checksums-malformed'));

  it('rejects an index that does not match the list', () =>
    refused((folder) => {
      const path = join(folder, 'bundle.json');
      writeFileSync(path, `${readFileSync(path, 'utf8')} `);
    }, 'part-damaged'));

  it.each<[string, (path: string) => void, ErrorCode]>([
    ['changed', (path) => appendFileSync(path, ' '), 'part-damaged'],
    ['missing', (path) => rmSync(path), 'part-missing'],
  ])('rejects a control file that is %s', (_, change, code) =>
    refused((folder) => change(join(folder, 'attestations/lock.json')), code),
  );

  it('rejects a link in place of a signature', () =>
    refused(
      (folder) => mkdirSync(join(folder, 'signatures', 'second.p7s')),
      'output-exists',
      'second',
    ));
});

describe('when a signature is named', () => {
  it.each([
    ['O=Example Agency, CN=Example Agency Release', 'release', 'example-agency-release'],
    ['O=Example Agency, CN=A. Smith', 'approval', 'approval-a-smith'],
    ['O=No Common Name', 'release', 'o-no-common-name'],
    ['CN=机关', 'release', 'signer'],
    ['CN=机关', 'approval', 'approval-signer'],
    [`CN=${'x'.repeat(64)}`, 'release', 'x'.repeat(60)],
    ['CN=../../etc', 'release', 'etc'],
  ] as const)('calls %s as %s %s', (subject, role, name) => {
    expect(signatureName(subject, role)).toBe(name);
  });
});
