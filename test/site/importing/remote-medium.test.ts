import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBundle } from '../../../src/cli/commands/open-bundle.ts';
import { commonTo, holdingsOf, incrementOf } from '../../../src/content/increment.ts';
import { digestOf } from '../../../src/core/digest.ts';
import type { ErrorCode } from '../../../src/core/error.ts';
import { MIB } from '../../../src/core/limits.ts';
import { type Depot, startDepot } from '../../../src/depot/server.ts';
import { parseTokens } from '../../../src/depot/tokens.ts';
import { allParts } from '../../../src/format/bundle.ts';
import { writeDisc } from '../../../src/io/discs/write-discs.ts';
import { namesIn } from '../../../src/io/file.ts';
import { createRegistryClient } from '../../../src/net/registry-client.ts';
import { Secret } from '../../../src/net/secret.ts';
import { push } from '../../../src/push/push.ts';
import { openSessions } from '../../../src/push/push-blob.ts';
import { createRegistryWriter } from '../../../src/push/registry-writer.ts';
import { parseRemoteAddress } from '../../../src/remote/address.ts';
import { openRemote } from '../../../src/remote/open-remote.ts';
import { bundleArtifact, type LocalFile } from '../../../src/remote/push-bundle.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import { catalogOfAll } from '../../../src/site/catalog/catalog.ts';
import { type Imported, importMedia } from '../../../src/site/importing/import.ts';
import { readLedger } from '../../../src/site/ledger/site-ledger.ts';
import { releaseFolder } from '../../../src/site/release/release.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { testHttp } from '../../net/server.ts';
import { type SmallRegistry, smallRegistry } from '../../remote/small-registry.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { pattern, resign, type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { stagedSite } from '../../support/staged-site.ts';

const scratch = scratchFolder();
const common = { partSize: 4 * MIB, weights: 9 * MIB, crumbs: 3, installer: true };
let made: SmallBundle;

beforeAll(async () => {
  made = await smallBundle({ place: scratch.fresh(), ...common });
});

function newSite(): SiteFolder {
  return new SiteFolder(scratch.fresh('site'));
}

async function take(
  site: SiteFolder,
  address: string,
  password?: string,
  heard = context(),
): Promise<Imported> {
  const { http } = testHttp();
  const found = { kind: 'basic', username: 'host', password: new Secret(password ?? '') } as const;
  const credentials = { find: async () => (password === undefined ? undefined : found) };
  const access = { http, client: createRegistryClient({ http, credentials }) };
  const remote = openRemote(parseRemoteAddress(address), address, access);
  const options = { ...heard, site, target: fakeTarget(), trust: made.trust };
  return withSite(options, (ledger) => importMedia(remote, ledger, options));
}

async function expectComplete(site: SiteFolder, { bundle, id, folder } = made): Promise<void> {
  const blobs = readdirSync(site.path('store/blobs/sha256')).toSorted();
  expect(blobs).toEqual(bundle.blobs.map(({ digest }) => digest.slice(7)).toSorted());
  expect(readdirSync(site.path('staging'))).toEqual([]);
  const kinds = (await readLedger(site)).entries.map(({ event }) => event.kind);
  expect(kinds).toContain('accepted');
  for (const path of ['SHA512SUMS', 'bundle.json', 'signatures/release.p7s'])
    expect(readFileSync(join(releaseFolder(site, id), path))).toEqual(
      readFileSync(join(folder, path)),
    );
}

async function filesOf(folder: string): Promise<LocalFile[]> {
  const { files } = await openBundle(folder);
  return [...files].map(([path, place]) => {
    const { length: size } = readFileSync(place);
    return { path, size, source: { path: place, offset: 0, size } };
  });
}

describe('when a depot serves a bundle', () => {
  let depot: Depot | undefined;

  afterEach(async () => {
    await depot?.close();
    depot = undefined;
  });

  async function serveFrom(site: SiteFolder, tokens?: string): Promise<string> {
    const given = tokens === undefined ? {} : { tokens: parseTokens(tokens) };
    const catalog = await catalogOfAll(site, () => {});
    depot = await startDepot(catalog, { address: '127.0.0.1', port: 0, graceMs: 0, ...given });
    return `https://${depot.host}/chat@1.0.0`;
  }

  it('is imported byte for byte, installers of all platforms with it', async () => {
    const address = await serveFrom(await stagedSite(scratch.fresh('hub'), [made]));
    const site = newSite();
    await take(site, address);
    await expectComplete(site);
    const [installer] = made.bundle.installers ?? [];
    expect(readdirSync(releaseFolder(site, made.id))).toContain(installer?.path);
  });

  it('asks for a token where the depot has tokens', async () => {
    const token = 'a-token-of-the-depot';
    const address = await serveFrom(
      await stagedSite(scratch.fresh('hub'), [made]),
      `host:${token}`,
    );
    const site = newSite();
    await expectCode(() => take(site, address), 'source-denied');
    await take(site, address, token);
    await expectComplete(site);
  });

  it('takes on with the next host, from one that imported it so', async () => {
    const first = newSite();
    await take(first, await serveFrom(await stagedSite(scratch.fresh('hub'), [made])));
    await depot?.close();
    const second = newSite();
    await take(second, await serveFrom(first));
    await expectComplete(second);
  });

  it('is refused by name where the depot has no such release', async () => {
    const address = await serveFrom(await stagedSite(scratch.fresh('hub'), [made]));
    await expectCode(() => take(newSite(), address.replace('1.0.0', '1.0.1')), 'bundle-absent');
  });
});

describe('when a bundle is in a registry', () => {
  let registry: SmallRegistry;
  let address: string;

  async function put(folder: string, tag = '1.0.0'): Promise<void> {
    const { http } = testHttp();
    const client = createRegistryClient({ http, credentials: { find: async () => undefined } });
    const heard = context();
    const { signal } = heard;
    const writer = createRegistryWriter({ registry: registry.host, client, http, signal });
    const sessions = await openSessions(join(scratch.fresh('sessions'), 'uploads.json'));
    const artifact = await bundleArtifact(await filesOf(folder), { repository: 'a', tag }, heard);
    await push([artifact], { ...heard, writer, chunkBytes: MIB, sessions });
  }

  beforeEach(async () => {
    registry = await smallRegistry();
    address = `oci://${registry.host}/a:1.0.0`;
    await put(made.folder);
  });

  const partsOf = ({ bundle }: SmallBundle): string[] =>
    bundle.blobs.flatMap(({ parts }) => parts.map(({ path }) => path));
  const digestAt = (path: string): string => digestOf(readFileSync(join(made.folder, path)));
  const largest = (): string => partsOf(made).find((each) => each.endsWith('.0000')) ?? '';

  it('is imported, and sent again without a byte', async () => {
    const site = newSite();
    await take(site, address);
    await expectComplete(site);
    expect(registry.manifests.size).toBe(2);
  });

  it('is one artifact whose layers are the files of the bundle', () => {
    const manifest = JSON.parse(registry.manifests.get('1.0.0')?.toString() ?? '');
    expect(manifest.artifactType).toBe('application/vnd.stowage.bundle.v1');
    expect(manifest.layers.length).toBe(
      readFileSync(join(made.folder, 'SHA512SUMS')).toString().split('\n').length + 1,
    );
  });

  it.each([
    ['ignores ranges', false],
    ['answers 416', true],
  ])('is imported from a registry that %s after the connection broke', async (_, refuses) => {
    const victim = digestAt(largest());
    const bytes = registry.blobs.get(victim) ?? Buffer.alloc(0);
    let asked = 0;
    registry.answer = (digest, { headers }, response) => {
      if (digest !== victim) return false;
      asked += 1;
      if (asked === 1) {
        response.writeHead(200, { 'Content-Length': bytes.length });
        response.write(bytes.subarray(0, MIB), () => response.destroy());
      } else if (refuses && headers.range !== undefined) response.writeHead(416).end();
      else response.writeHead(200).end(bytes);
      return true;
    };
    const site = newSite();
    await take(site, address);
    await expectComplete(site);
    expect(asked).toBeGreaterThan(1);
  });

  it('resumes after an interruption with the parts that were not finished', async () => {
    const site = newSite();
    const victim = digestAt(largest());
    const heard = context();
    registry.answer = (digest) => {
      if (digest === victim) heard.controller.abort();
      return digest === victim;
    };
    await expectCode(() => take(site, address, undefined, heard), 'interrupted');
    const before = registry.fetched.length;
    delete registry.answer;
    await take(site, address);
    await expectComplete(site);
    const again = registry.fetched.slice(before).filter((each) => each.includes(' bytes='));
    const parts = partsOf(made).length;
    expect(
      again.filter((each) => partsOf(made).some((path) => each.startsWith(digestAt(path)))).length,
    ).toBeLessThan(parts);
  });

  /** The manifest with another list of layers. */
  function bend(change: (layers: Layer[]) => Layer[]): void {
    const manifest = JSON.parse(registry.manifests.get('1.0.0')?.toString() ?? '') as {
      layers: Layer[];
    };
    manifest.layers = change(manifest.layers);
    registry.manifests.set('1.0.0', Buffer.from(JSON.stringify(manifest)));
  }

  interface Layer {
    digest: string;
    size: number;
    annotations: Record<string, string>;
  }
  const title = 'org.opencontainers.image.title';
  const isOf = (path: string, { annotations }: Layer): boolean => annotations[title] === path;

  /** Other bytes under the listed digest, or under a digest of their own. */
  function serveOther(path: string, consistent: boolean): void {
    const bytes = Buffer.from(registry.blobs.get(digestAt(path)) ?? '');
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    if (!consistent) registry.blobs.set(digestAt(path), bytes);
    else {
      registry.blobs.set(digestOf(bytes), bytes);
      bend((layers) =>
        layers.map((each) => (isOf(path, each) ? { ...each, digest: digestOf(bytes) } : each)),
      );
    }
  }

  it.each<[string, () => unknown, ErrorCode]>([
    ['other bytes of a part', () => serveOther(largest(), false), 'part-damaged'],
    ['a part with a digest of its own', () => serveOther(largest(), true), 'part-damaged'],
    ['other bytes of the list', () => serveOther('SHA512SUMS', false), 'part-damaged'],
    ['a list with a digest of its own', () => serveOther('SHA512SUMS', true), 'signature-invalid'],
    ['an index with a digest of its own', () => serveOther('bundle.json', true), 'part-damaged'],
    [
      'a digest that is not that of the signed bytes',
      () =>
        bend((layers) => {
          const other = layers.find((each) => isOf('bundle.json', each));
          const bytes = registry.blobs.get(digestAt(largest())) ?? Buffer.alloc(0);
          registry.blobs.set(other?.digest.replace(/.{4}$/, '0000') ?? '', bytes);
          return layers.map((each) =>
            isOf(largest(), each)
              ? { ...each, digest: other?.digest.replace(/.{4}$/, '0000') ?? '' }
              : each,
          );
        }),
      'part-damaged',
    ],
    [
      'a file that the bundle does not have',
      () =>
        bend((layers) => [
          ...layers,
          { ...(layers[0] as Layer), annotations: { [title]: 'run.sh' } },
        ]),
      'file-unexpected',
    ],
    [
      'no signature',
      () => bend((layers) => layers.filter((each) => !isOf('signatures/release.p7s', each))),
      'signature-missing',
    ],
    [
      'no list',
      () => bend((layers) => layers.filter((each) => !isOf('SHA512SUMS', each))),
      'bundle-absent',
    ],
    [
      'a list of 1 GB',
      () =>
        bend((layers) =>
          layers.map((each) => (isOf('SHA512SUMS', each) ? { ...each, size: 1e9 } : each)),
        ),
      'stream-refused',
    ],
    [
      'a path above its folder',
      () => bend((layers) => [{ ...(layers[0] as Layer), annotations: { [title]: '../x' } }]),
      'bundle-absent',
    ],
    ['a file twice', () => bend((layers) => [...layers, layers[0] as Layer]), 'bundle-absent'],
    [
      'too few bytes',
      () => {
        registry.answer = (_, __, response) => {
          response.writeHead(200).end('short');
          return true;
        };
      },
      'stream-ended',
    ],
    [
      'a manifest of 100 MB',
      () => registry.manifests.set('1.0.0', Buffer.alloc(100 * MIB, ' ')),
      'source-malformed',
    ],
    [
      'a manifest that is no JSON',
      () => registry.manifests.set('1.0.0', Buffer.from('<html>')),
      'source-malformed',
    ],
    [
      'an image',
      () => registry.manifests.set('1.0.0', Buffer.from('{"schemaVersion":2}')),
      'bundle-absent',
    ],
    ['nothing', () => registry.manifests.clear(), 'bundle-absent'],
  ])('is refused with %s, and leaves no release', async (_, change, code) => {
    change();
    const site = newSite();
    await expectCode(() => take(site, address), code);
    expect(await namesIn(site.path('releases'))).toEqual([]);
    expect(await namesIn(site.path('staging'))).not.toContain('.remote');
    expect((await readLedger(site)).entries.map(({ event }) => event.kind)).not.toContain(
      'accepted',
    );
  });

  it('is refused as a rollback behind a tag that was moved back', async () => {
    const { authority } = made;
    const newer = await smallBundle({
      place: scratch.fresh(),
      authority,
      version: '1.1.0',
      seq: 2,
    });
    await put(newer.folder);
    const site = newSite();
    await take(site, address);
    await put(made.folder);
    await expectCode(() => take(site, address), 'release-rollback');
  });

  it('is refused when it was signed by somebody else', async () => {
    const other = await smallBundle({ place: scratch.fresh(), ...common });
    resign(other.folder, other.authority);
    await put(other.folder);
    await expectCode(() => take(newSite(), address), 'signer-untrusted');
  });

  it('is taken by its digest, whatever the tag says later', async () => {
    const digest = digestOf(registry.manifests.get('1.0.0') ?? Buffer.alloc(0));
    registry.manifests.delete('1.0.0');
    const site = newSite();
    await take(site, `oci://${registry.host}/a@${digest}`);
    await expectComplete(site);
  });

  it('says which parts are missing where a hop left files out', async () => {
    bend((layers) => layers.filter((each) => !isOf(largest(), each)));
    const site = newSite();
    const { partial } = await take(site, address);
    expect(partial?.missing.map(({ path }) => path)).toEqual([largest()]);
  });

  it('takes an increment too, completed from the store, or by a depot that has the whole', async () => {
    const { authority } = made;
    const weights = readFileSync(join(made.folder, largest()));
    const next = await smallBundle({
      ...{ place: scratch.fresh(), authority, ...common, version: '1.1.0', seq: 2 },
      weightsBytes: Buffer.concat([pattern(4 * MIB, 'new'), weights]),
    });
    const held = { site: 'vault', platform: 'linux/amd64', unknown: [] };
    const sites = [{ ...held, ...holdingsOf([made.bundle]) }];
    const { omitted } = incrementOf(next.bundle, commonTo(sites));
    const increment = scratch.fresh('increment');
    const opened = await openBundle(next.folder);
    const rest = allParts(next.bundle).filter(({ path }) => !omitted.has(path));
    await writeDisc({ ...opened, move: false, omitted }, rest, increment, context());
    await put(increment, '1.1.0');
    const at = address.replace('1.0.0', '1.1.0');
    const site = newSite();
    await take(site, address);
    expect((await take(site, at)).partial).toBeUndefined();
    // The same at a host that has no base.
    const bare = newSite();
    const { partial } = await take(bare, at);
    expect(partial?.missing.some(({ path }) => omitted.has(path))).toBe(true);
    const catalog = await catalogOfAll(site, () => {});
    const depot = await startDepot(catalog, { address: '127.0.0.1', port: 0, graceMs: 0 });
    try {
      const whole = await take(bare, `https://${depot.host}/chat@1.1.0`);
      expect(whole.partial).toBeUndefined();
    } finally {
      await depot.close();
    }
  });
});
