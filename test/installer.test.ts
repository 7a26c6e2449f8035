import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { connectedInputs, installerCode } from '../scripts/installer/code.ts';
import { NODE_VERSION, platforms } from '../scripts/installer/platforms.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

// DER, and what it needs: none of node-forge's cryptography.
const FORGE = ['asn1.js', 'baseN.js', 'forge.js', 'oids.js', 'util.js'];

describe('when the code of the installer is bundled', () => {
  it('holds nothing of the connected side', async () => {
    const { worker, inputs } = await installerCode(root);
    expect(inputs).toContain('src/cli/commands/install.ts');
    expect(inputs).toContain('src/io/hash-worker.ts');
    expect(inputs.filter((path) => /^src\/(?:source|build)\//.test(path))).toEqual([]);
    const forge = inputs.filter((path) => path.includes('/node-forge/lib/'));
    expect(forge.map((path) => path.replace(/.*\//, '')).toSorted()).toEqual(FORGE);
    expect(worker.length).toBeLessThan(100_000);
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
