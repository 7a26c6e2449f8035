import { describe, expect, it } from 'vitest';
import { type Comparable, comparableLock } from '../../../src/bundle/inspect/comparable.ts';
import { diffSides } from '../../../src/bundle/inspect/diff.ts';
import type { ListedPackage } from '../../../src/content/listed-packages.ts';
import type { Digest, Sri } from '../../../src/core/digest.ts';
import { readValue } from '../../../src/format/document.ts';
import type { Finding } from '../../../src/format/finding.ts';
import { editedLockKind } from '../../../src/format/lock.ts';
import { bend } from '../../format/bend.ts';
import { lock, ONE, TWO } from '../../format/samples.ts';

const other = `sha256:${'e'.repeat(64)}` as Digest;
const side = (path?: string, value?: unknown): Comparable =>
  comparableLock(
    readValue(editedLockKind, path === undefined ? lock() : bend(lock(), path, value)),
  );
const before = side();

const found = (package_: string, version: string, license?: string): ListedPackage => ({
  type: 'deb',
  name: `debian/${package_}`,
  version,
  ...(license === undefined ? {} : { license }),
});
const packed = (packages: readonly ListedPackage[]): Comparable => ({
  ...before,
  images: before.images.map((each) => ({ ...each, packages })),
});
const finding: Finding = {
  ...{ source: 'tiny', file: 'tokenizer_config.json', rule: 'chat-template', severity: 'note' },
  ...{ message: 'a Jinja program', digest: ONE as Digest },
};

describe('when two sides are the same', () => {
  it('finds nothing', () => {
    const difference = diffSides(before, side());
    expect(difference).toMatchObject({ same: true, release: [], travel: { blobs: 0, bytes: 0 } });
    expect(difference.models).toEqual({ added: [], removed: [], changed: [] });
  });

  it('reports equal contents when only sequence and time differ', () => {
    const { same, release } = diffSides(before, side('seq', 99));
    expect(same).toBe(true);
    expect(release).toEqual([{ path: 'seq', from: before.release.seq, to: 99 }]);
  });
});

describe('when bundles have other rehearsals', () => {
  const has = (...rehearsals: readonly string[]): Comparable => ({
    ...before,
    ...{ kind: 'bundle', rehearsals },
  });

  it('names both, and the contents are the same', () => {
    expect(diffSides(has('passed at noon'), has('passed at midnight'))).toMatchObject({
      same: true,
      rehearsals: { added: ['passed at midnight'], removed: ['passed at noon'] },
    });
    expect(diffSides(has(), has('passed')).rehearsals).toMatchObject({ added: ['passed'] });
  });

  it('says nothing of a lock, which has none', () => {
    expect(diffSides(before, has('passed')).rehearsals).toBeUndefined();
  });
});

describe('when bundles bring other installers', () => {
  const installer = { platform: 'linux/amd64', path: 'stowage-linux-x64', crc32: '00000000' };
  const brings = (size: number): Comparable => ({
    ...before,
    installers: [{ ...installer, size, sha512: `sha512-${size}` as Sri }],
  });

  it('are not the same, and names the program that changed, appeared or went', () => {
    expect(diffSides(brings(1), brings(1))).toMatchObject({ same: true });
    const changed = diffSides(brings(1), brings(2));
    expect(changed.same).toBe(false);
    expect(changed.installers?.changed).toMatchObject([{ name: 'stowage-linux-x64' }]);
    const none: Comparable = { ...before, installers: [] };
    expect(diffSides(none, brings(1))).toMatchObject({ same: false, installers: { added: [{}] } });
    expect(diffSides(brings(1), none)).toMatchObject({
      same: false,
      installers: { removed: [{}] },
    });
  });

  it('cannot be compared with a lock, which has none', () => {
    expect(diffSides(before, brings(1))).not.toHaveProperty('installers');
  });
});

describe('when models differ', () => {
  it('names files, commit and license, and what must be transferred', () => {
    const [file] = before.models[0]?.files ?? [];
    const after = side('models.0.files.0.digest', other);
    const { models, travel, same } = diffSides(before, after);
    expect(same).toBe(false);
    expect(models.changed).toMatchObject([
      {
        name: 'tiny',
        changes: [],
        files: { changed: [{ path: file?.path, to: { digest: other } }] },
      },
    ]);
    expect(travel).toMatchObject({ blobs: 1, bytes: file?.size });
    const licensed = diffSides(before, side('models.0.license', 'mit'));
    expect(licensed.licenses.models).toMatchObject([{ path: 'tiny', to: 'mit' }]);
    const moved = diffSides(before, side('models.0.commit', 'f'.repeat(40)));
    expect(moved.models.changed[0]?.changes).toMatchObject([{ path: 'commit' }]);
  });

  it('names added and removed models', () => {
    const without: Comparable = { ...before, models: [] };
    expect(diffSides(without, before).models.added).toMatchObject([{ name: 'tiny' }]);
    expect(diffSides(before, without).models.removed).toMatchObject([{ name: 'tiny' }]);
  });
});

describe('when images differ', () => {
  it('compares packages and their licenses', () => {
    const { images, licenses } = diffSides(
      packed([found('openssl', '3.0.1', 'Apache-2.0'), found('zlib', '1.2')]),
      packed([found('openssl', '3.0.2', 'Apache-2.0'), found('bash', '5.2', 'GPL-3.0-or-later')]),
    );
    expect(images.changed[0]?.packages).toEqual({
      added: [found('bash', '5.2', 'GPL-3.0-or-later')],
      removed: [found('zlib', '1.2')],
      changed: [{ type: 'deb', name: 'debian/openssl', from: ['3.0.1'], to: ['3.0.2'] }],
    });
    expect(licenses).toMatchObject({ added: ['GPL-3.0-or-later'], removed: [] });
  });

  it('reports no package changes if one side has no list', () => {
    const bent = side('images.0.target.digest', other);
    const [change] = diffSides(packed([found('zlib', '1.2')]), bent).images.changed;
    expect(change?.changes).toMatchObject([{ path: 'digest', to: other }]);
    expect(change?.packages).toBeUndefined();
  });
});

describe('when the configuration differs', () => {
  it('names the changed member of the service', () => {
    const { configuration, same } = diffSides(before, side('manifest.services.0.args', ['--new']));
    expect(same).toBe(false);
    expect(configuration.services.changed).toMatchObject([
      { changes: [{ path: 'args', to: ['--new'] }] },
    ]);
  });
});

describe('when findings differ', () => {
  it('names them, and which chat template changed', () => {
    const [was, is]: [Comparable, Comparable] = [
      { ...before, findings: [finding] },
      { ...before, findings: [{ ...finding, digest: TWO as Digest }] },
    ];
    const difference = diffSides(was, is);
    expect(difference.findings).toMatchObject({
      added: [{ digest: TWO }],
      removed: [{ digest: ONE }],
    });
    const { source, file } = finding;
    expect(difference.chatTemplates.changed).toEqual([{ source, file, from: [ONE], to: [TWO] }]);
  });

  it('reports no changes if the findings of one side cannot be read', () => {
    const { findings: _, ...without } = before;
    expect(diffSides(without, before).findings).toBeUndefined();
  });
});

describe('when signers differ', () => {
  it('treats two keys with one name as two signers', () => {
    const signer = { file: 'a.p7s', subject: 'CN=A', key: 'a'.repeat(64) };
    const difference = diffSides(
      { ...before, signers: [signer] },
      { ...before, signers: [{ ...signer, key: 'b'.repeat(64) }] },
    );
    expect(difference.signers.added).toHaveLength(1);
    expect(difference.signers.removed).toHaveLength(1);
  });
});
