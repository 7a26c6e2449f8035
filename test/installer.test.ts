import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { noticesText, packageNotices } from '../scripts/build/notices.ts';
import { connectedInputs, installerCode, toolkitCode } from '../scripts/installer/code.ts';
import { packagesInside, partsOf, runtimeParts } from '../scripts/installer/components.ts';
import { NODE_VERSION, platforms } from '../scripts/installer/platforms.ts';
import { runtimeNotice } from '../scripts/installer/runtime.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

// DER, and what it needs: none of node-forge's cryptography.
const FORGE = ['asn1.js', 'baseN.js', 'forge.js', 'oids.js', 'util.js'];

describe('when the code of the installer is bundled', () => {
  it('holds nothing of the connected side', async () => {
    const { assets, inputs } = await installerCode(root);
    expect(inputs).toContain('src/cli/commands/install.ts');
    expect(inputs).toContain('src/io/hash-worker.ts');
    expect(inputs.filter((path) => /^src\/(?:source|build)\//.test(path))).toEqual([]);
    const forge = inputs.filter((path) => path.includes('/node-forge/lib/'));
    expect(forge.map((path) => path.replace(/.*\//, '')).toSorted()).toEqual(FORGE);
    expect(Object.keys(assets)).toEqual(['hash-worker.js', 'client-library.js']);
    expect(assets['hash-worker.js']?.length).toBeLessThan(100_000);
  });

  it('of the toolkit holds all of it', async () => {
    const { main, assets, inputs } = await toolkitCode(root);
    expect(inputs).toEqual(
      expect.arrayContaining(['src/cli/commands/pack.ts', 'src/cli/commands/install.ts']),
    );
    expect(
      connectedInputs({ inputs: Object.fromEntries(inputs.map((each) => [each, {}])) } as never),
    ).not.toEqual([]);
    expect(main).not.toContain('import.meta');
    // As the executable starts it.
    const worker = new Worker(assets['reading-worker.js'] ?? '', { eval: true });
    try {
      worker.postMessage([{ file: '/nowhere/receipt.json' }]);
      const [[result]] = await once(worker, 'message');
      expect(result).toMatchObject({ failure: { code: 'file-missing' } });
    } finally {
      await worker.terminate();
    }
  });

  it('has the client of Kubernetes in a part of its own, by which it grows by less than 15 MB', async () => {
    const { assets, inputs } = await installerCode(root);
    const client = assets['client-library.js'] ?? '';
    const licenses = noticesText(root, packageNotices(root, inputs));
    // 3.1 MB with client-node 2.0.1.
    const growth = Buffer.byteLength(client) + Buffer.byteLength(licenses);
    expect(growth).toBeGreaterThan(1_000_000);
    expect(growth).toBeLessThan(15_000_000);
  });

  it('would be refused if it held any', () => {
    const strays = [
      'src/source/oci.ts',
      'src/build/pull.ts',
      'node_modules/@huggingface/hub/a.js',
      'node_modules/@sigstore/verify/dist/index.js',
    ];
    const inputs = Object.fromEntries(
      [...strays, 'src/bundle/admission/admit.ts'].map((path) => [path, {}]),
    );
    expect(connectedInputs({ inputs, outputs: {} } as never)).toEqual(strays);
  });
});

describe('when the licenses for the installer are collected', () => {
  it('has those of Stowage, of each package with code inside, and of Node with its libraries', async () => {
    const { inputs } = await installerCode(root);
    const parts = [...packageNotices(root, inputs), await runtimeNotice(root)];
    const text = noticesText(root, parts);
    for (const { name, version } of packagesInside(root, inputs))
      expect(text).toContain(`\n${name} ${version}, `);
    expect(parts.filter((each) => each.text.includes('has no file with its license'))).toEqual([]);
    expect(text).toContain(`\nNode.js ${NODE_VERSION}, MIT\n`);
    for (const name of ['OpenSSL', 'V8', 'libuv', 'ICU', 'zlib'])
      expect(text).toContain(`- ${name}, located at`);
    expect(text).toMatch(/^Stowage .*, Apache-2\.0$/m);
  });
});

describe('when Node is taken for the installer', () => {
  it('is the version that the project runs on', () => {
    const { devDependencies } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    expect(devDependencies['node']).toBe(NODE_VERSION);
    expect(process.versions.node).toBe(NODE_VERSION);
  });

  it('is pinned for each platform', () => {
    expect(Object.keys(platforms)).toEqual(['linux-x64', 'linux-arm64']);
    for (const { sha256 } of Object.values(platforms)) expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('when the components of the installer are listed', () => {
  it('lists each package with code inside once, with its license, and only those', async () => {
    const { inputs } = await installerCode(root);
    const packages = packagesInside(root, inputs);
    const names = packages.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['@kubernetes/client-node', 'tar', 'zod']));
    expect(names).not.toContain('esbuild');
    const purls = packages.map(({ purl }) => purl);
    expect(purls).toEqual([...new Set(purls)].toSorted());
    for (const { license, sha512, dependsOn } of packages) {
      expect(license).toMatch(/./);
      expect(sha512).toMatch(/^[0-9a-f]{128}$/);
      for (const each of dependsOn) expect(purls).toContain(each);
    }
    const ssri = packages.find(({ name }) => name === 'ssri');
    expect(ssri?.dependsOn).toEqual([expect.stringMatching(/^pkg:npm\/minipass@/)]);
    expect(packagesInside(root, inputs.toReversed())).toEqual(packages);
  });

  it('finds the nearest copy of a package, and refuses one that package-lock.json does not name', () => {
    const inputs = ['ora', 'ora/node_modules/string-width', 'ora/node_modules/strip-ansi'];
    const packages = packagesInside(
      root,
      inputs.map((each) => `node_modules/${each}/index.js`),
    );
    const {
      ora,
      'string-width': width,
      'strip-ansi': strip,
    } = Object.fromEntries(packages.map((each) => [each.name, each]));
    expect(ora?.dependsOn).toEqual([width?.purl]);
    expect(width?.dependsOn).toEqual([strip?.purl]);
    expect(() => packagesInside(root, ['node_modules/none/index.js'])).toThrow('node_modules/none');
  });

  it('lists what is in Node by its process.versions, without interfaces', async () => {
    const { openssl, v8, uv } = process.versions;
    const parts = await runtimeParts(root);
    expect(parts).toEqual(partsOf(process.versions));
    expect(parts).toEqual(
      expect.arrayContaining([
        { name: 'openssl', version: openssl, purl: `pkg:generic/openssl@${openssl}` },
        { name: 'v8', version: v8, purl: `pkg:generic/v8@${v8}` },
        { name: 'libuv', version: uv, purl: `pkg:generic/libuv@${uv}` },
      ]),
    );
    const names = parts.map(({ name }) => name);
    for (const each of ['node', 'modules', 'napi']) expect(names).not.toContain(each);
    expect(partsOf({ nghttp3: '', a: '1+b' })).toEqual([
      { name: 'a', version: '1+b', purl: 'pkg:generic/a@1%2Bb' },
    ]);
  });
});
