import { describe, expect, it } from 'vitest';
import { provenance } from '../../../src/build/bundle-documents.ts';
import { readFacts } from '../../../src/build/sbom/image-packages.ts';
import { nodeCpe } from '../../../src/build/sbom/installer-entry.ts';
import { sbom } from '../../../src/build/sbom/sbom.ts';
import { noFacts } from '../../../src/content/bill-entry.ts';
import { licensesOf } from '../../../src/content/licenses.ts';
import { type Package, packageUrl } from '../../../src/content/package.ts';
import { digestOf, sriHex, sriOf } from '../../../src/core/digest.ts';
import { canonicalJson, type Json } from '../../../src/core/json.ts';
import { PRODUCT_VERSION } from '../../../src/core/product.ts';
import type { DescribedInstaller } from '../../../src/format/installer.ts';
import type { Lock } from '../../../src/format/lock.ts';
import { installerComponents } from '../../format/samples.ts';
import { cyclonedx } from '../../support/cyclonedx.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { tarOf } from '../../support/tar.ts';
import { contextOf, sampleOf } from '../samples.ts';
import { apkInstalled, dpkgStatus, osRelease, storedImage } from './image.ts';

const scratch = scratchFolder();
const { lock } = sampleOf(100);

const validate = cyclonedx();

function expectValid(bill: Json): void {
  validate(JSON.parse(canonicalJson(bill)));
  expect(validate.errors ?? []).toEqual([]);
}

function described(bytes: Buffer): DescribedInstaller {
  const components = installerComponents('stowage-linux-x64', bytes);
  const { installer: path, sha512 } = components;
  return { platform: 'linux/amd64', path, size: 9, crc32: '00000000', sha512, components };
}

interface Component {
  readonly type: string;
  readonly name: string;
  readonly purl?: string;
  readonly cpe?: string;
  readonly 'bom-ref': string;
  readonly components?: readonly Component[];
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
}

interface Bill {
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
  readonly compositions?: readonly {
    readonly aggregate: string;
    readonly assemblies: readonly string[];
  }[];
}

/** The sample's lock with an image whose layers are these. */
async function billOf(
  ...platforms: readonly (readonly Buffer[])[]
): Promise<{ bill: Bill & Json; text: string; again: string }> {
  const { store, image } = await storedImage(scratch.fresh('store'), ...platforms);
  const config = Buffer.from('{"model_type":"llama","architectures":["LlamaForCausalLM"]}');
  await store.put(config);
  const [model] = lock.models;
  if (model === undefined) throw new Error('no model in the sample');
  const file = { path: 'config.json', size: config.length, digest: digestOf(config) };
  const whole: Lock = {
    ...lock,
    images: [image],
    models: [{ ...model, files: [...model.files, file] }],
  };
  const make = async (): Promise<Json> => sbom(whole, await readFacts(whole, store, contextOf()));
  const bill = (await make()) as unknown as Bill & Json;
  return { bill, text: canonicalJson(bill), again: canonicalJson(await make()) };
}

const debian = tarOf(
  { path: 'etc/os-release', data: osRelease.debian },
  { path: 'var/lib/dpkg/status', data: dpkgStatus },
);
const alpine = tarOf(
  { path: 'etc/os-release', data: osRelease.alpine },
  { path: 'lib/apk/db/installed', data: apkInstalled },
  {
    path: 'x/node_modules/a/package.json',
    data: '{"name":"@s/a","version":"1.0.0","license":"MIT OR Apache-2.0"}',
  },
  {
    path: 'x/node_modules/b/package.json',
    data: '{"name":"b","version":"1.0.0","license":"SEE LICENSE IN x"}',
  },
);

describe('when an SBOM is generated', () => {
  it('is valid according to the published schema, and reproducible', async () => {
    const { bill, text, again } = await billOf([debian, alpine]);
    expectValid(bill);
    expect(again).toBe(text);
    expectValid(sbom(lock));
  });

  it('fails the schema check if it is wrong', () => {
    expect(
      validate({ bomFormat: 'CycloneDX', specVersion: '1.6', components: [{ type: 'x' }] }),
    ).toBe(false);
  });

  it('makes packages depend on their image, and the image on the release', async () => {
    const { bill } = await billOf([debian]);
    const image = bill.components.find(({ type }) => type === 'container');
    expect(image?.components?.map(({ type, name }) => [type, name])).toEqual([
      ['operating-system', 'debian'],
      ['library', 'libc6'],
      ['library', 'tzdata'],
    ]);
    expect(bill.dependencies).toEqual([
      {
        ref: 'release:chat@1.4.0',
        dependsOn: ['model:tiny', 'image:server', 'files:settings', 'files:note'],
      },
      {
        ref: 'image:server',
        dependsOn: [
          'image:server/pkg:deb/debian/libc6@2.36-9%2Bdeb12u8?arch=amd64&distro=debian-12&upstream=glibc',
          'image:server/pkg:deb/debian/tzdata@1:2024a-0%2Bdeb12u1?arch=all&distro=debian-12',
        ],
      },
    ]);
    expect(bill.compositions).toBeUndefined();
  });

  it("states the architecture in a model's configuration", async () => {
    const { bill } = await billOf([debian]);
    const [model] = bill.components as unknown as { modelCard: Json }[];
    expect(model?.modelCard).toEqual({
      modelParameters: { architectureFamily: 'llama', modelArchitecture: 'LlamaForCausalLM' },
    });
  });

  it('names the platform of a package if there are several', async () => {
    const { bill } = await billOf([debian, alpine], [alpine]);
    expectValid(bill);
    const image = bill.components.find(({ type }) => type === 'container');
    const named = image?.components?.find(({ purl }) => purl === 'pkg:npm/b@1.0.0');
    expect(named?.properties?.map(({ value }) => value)).toEqual(['linux/amd64', 'linux/arm64']);
  });

  it('marks an incomplete list', async () => {
    const { bill } = await billOf([debian, Buffer.from('no tar')]);
    expectValid(bill);
    expect(bill.compositions).toEqual([{ aggregate: 'incomplete', assemblies: ['image:server'] }]);
    const image = bill.components.find(({ type }) => type === 'container');
    expect(image?.properties?.[0]?.value).toMatch(/^layer sha256:/);
  });

  it('has unique references', async () => {
    const { bill } = await billOf([debian, alpine], [alpine]);
    const refs: string[] = [];
    const walk = (each: Component): void => {
      refs.push(each['bom-ref']);
      each.components?.forEach(walk);
    };
    bill.components.forEach(walk);
    expect(new Set(refs).size).toBe(refs.length);
    for (const { ref, dependsOn } of bill.dependencies) {
      expect([...refs, 'release:chat@1.4.0']).toContain(ref);
      for (const each of dependsOn) expect(refs).toContain(each);
    }
  });

  it('names its tool and author, and the installers with their digests', () => {
    const sha512 = sriOf(Buffer.from('installer'));
    const bare = { platform: 'linux/amd64', path: 'stowage-linux-x64', size: 9, crc32: '00000000' };
    const bill = sbom(lock, noFacts, [{ ...bare, sha512 }]);
    expectValid(bill);
    const hashes = [{ alg: 'SHA-512', content: sriHex(sha512) }];
    expect(bill).toMatchObject({
      metadata: {
        tools: { components: [{ name: 'stowage', version: PRODUCT_VERSION }] },
        authors: [{ name: 'stowage' }],
      },
      components: expect.arrayContaining([
        expect.objectContaining({ 'bom-ref': 'installer:stowage-linux-x64', hashes }),
      ]),
      compositions: [{ aggregate: 'incomplete', assemblies: ['installer:stowage-linux-x64'] }],
    });
    expect(provenance(lock, [{ ...bare, sha512 }])).toMatchObject({
      predicate: {
        buildDefinition: {
          resolvedDependencies: expect.arrayContaining([
            { name: 'stowage-linux-x64', digest: { sha512: sriHex(sha512) } },
          ]),
        },
      },
    });
  });

  it('lists the npm packages and the Node in an installer, with what each depends on', () => {
    const bytes = Buffer.from('installer');
    const bill = sbom(lock, noFacts, [described(bytes)]) as unknown as Bill & Json;
    expectValid(bill);
    expect(bill.compositions).toBeUndefined();
    const installer = bill.components.find(({ name }) => name === 'stowage-linux-x64');
    const { components = [] } = installer ?? {};
    expect(components.map(({ type, purl, cpe }) => [type, purl, cpe])).toEqual([
      ['library', 'pkg:npm/%40s/a@1.0.0', undefined],
      ['library', 'pkg:npm/zod@4.0.0', undefined],
      ['application', 'pkg:generic/node@24.0.0', 'cpe:2.3:a:nodejs:node.js:24.0.0:*:*:*:*:*:*:*'],
    ]);
    expect(components[0]).toMatchObject({ group: '@s', name: 'a' });
    expect(components[1]).toMatchObject({ licenses: [{ license: { id: 'MIT' } }] });
    expect(components[2]?.components?.map(({ name }) => name)).toEqual(['openssl', 'undici']);
    const ref = 'installer:stowage-linux-x64';
    const node = `${ref}/pkg:generic/node@24.0.0`;
    expect(bill.dependencies.slice(1).filter((each) => each.ref.startsWith(ref))).toEqual([
      { ref, dependsOn: [`${ref}/pkg:npm/%40s/a@1.0.0`, `${ref}/pkg:npm/zod@4.0.0`, node] },
      { ref: `${ref}/pkg:npm/%40s/a@1.0.0`, dependsOn: [`${ref}/pkg:npm/zod@4.0.0`] },
      {
        ref: node,
        dependsOn: [`${node}/pkg:generic/openssl@3.5.0`, `${node}/pkg:npm/undici@7.0.0`],
      },
    ]);
  });

  it.each(['24.0.0-rc.1', '24.0.0:*', 'v24', ''])('has no CPE of Node %j', (version) => {
    expect(nodeCpe(version)).toEqual({});
  });

  it('names the components of installers in the provenance, each once', () => {
    const arm64 = { platform: 'linux/arm64', path: 'stowage-linux-arm64' };
    const installers = [described(Buffer.from('a')), { ...described(Buffer.from('b')), ...arm64 }];
    const { predicate } = provenance(lock, installers) as unknown as {
      predicate: { buildDefinition: { resolvedDependencies: { uri?: string }[] } };
    };
    const { resolvedDependencies } = predicate.buildDefinition;
    const node = (path: string): object => ({
      name: `${path}: bin/node`,
      uri: 'pkg:generic/node@24.0.0',
      digest: { sha256: 'cd'.repeat(32) },
    });
    expect(
      resolvedDependencies.filter(({ uri }) => /^pkg:(?:npm|generic)/.test(uri ?? '')),
    ).toEqual([
      { uri: 'pkg:npm/%40s/a@1.0.0', digest: { sha512: 'ab'.repeat(64) } },
      { uri: 'pkg:npm/zod@4.0.0' },
      node('stowage-linux-x64'),
      { uri: 'pkg:generic/openssl@3.5.0' },
      { uri: 'pkg:npm/undici@7.0.0' },
      node('stowage-linux-arm64'),
    ]);
  });

  it('can be generated from a lock alone', () => {
    expect(canonicalJson(sbom(lock, noFacts))).toBe(canonicalJson(sbom(lock)));
  });
});

describe('when a license is recorded', () => {
  it.each<[string | undefined, Json]>([
    [undefined, {}],
    ['', {}],
    ['apache-2.0', { licenses: [{ license: { id: 'Apache-2.0' } }] }],
    ['MIT', { licenses: [{ license: { id: 'MIT' } }] }],
    ['MIT OR Apache-2.0', { licenses: [{ expression: 'MIT OR Apache-2.0' }] }],
    ['(mit AND isc) OR zlib', { licenses: [{ expression: '(MIT AND ISC) OR Zlib' }] }],
    ['(MIT OR ISC', { licenses: [{ license: { name: '(MIT OR ISC' } }] }],
    [')MIT( OR ISC', { licenses: [{ license: { name: ')MIT( OR ISC' } }] }],
    ['MIT OR llama3.1', { licenses: [{ license: { name: 'MIT OR llama3.1' } }] }],
    [
      'nvidia-open-model-license',
      { licenses: [{ license: { name: 'nvidia-open-model-license' } }] },
    ],
    ['a\nb\u001b', { licenses: [{ license: { name: 'a b<U+001B>' } }] }],
  ])('%j becomes %j', (license, expected) => {
    expect(licensesOf(license)).toEqual(expected);
  });
});

describe('when a package has a purl', () => {
  const os = { id: 'ubuntu', version: '24.04', name: 'Ubuntu' };
  it.each<[Package, string]>([
    [
      { type: 'deb', name: 'g++', version: '4:1~2', arch: 'amd64', upstream: 'gcc-defaults@1.2' },
      'pkg:deb/ubuntu/g%2B%2B@4:1~2?arch=amd64&distro=ubuntu-24.04&upstream=gcc-defaults%401.2',
    ],
    [{ type: 'npm', namespace: '@A', name: 'B', version: '1' }, 'pkg:npm/%40A/B@1'],
    [
      { type: 'golang', namespace: 'github.com/A/b', name: 'C', version: 'v1+incompatible' },
      'pkg:golang/github.com/a/b/c@v1%2Bincompatible',
    ],
    [{ type: 'pypi', name: 'Zope.Interface_X', version: '1!2' }, 'pkg:pypi/zope.interface-x@1%212'],
    [{ type: 'gem', name: 'a?b#c', version: '1/2' }, 'pkg:gem/a%3Fb%23c@1%2F2'],
  ])('%j: %s', (each, address) => {
    expect(packageUrl(each, os)).toBe(address);
  });

  it('uses the default distribution if the image does not state one', () => {
    expect(packageUrl({ type: 'apk', name: 'a', version: '1' }, undefined)).toBe(
      'pkg:apk/alpine/a@1',
    );
  });
});
