import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packagesOf } from '../build/notices.ts';
import { NODE_VERSION, platforms } from '../installer/platforms.ts';

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly license?: string;
}

/**
 * What is inside the program and its installers, as CycloneDX 1.6: each package by what package-lock.json says of it,
 * and Node. It has neither a time nor a number of its own: equal sources, equal bytes.
 * @param inputs files whose code is inside, below `root`
 */
export function toolSbom(root: string, inputs: readonly string[]): object {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(root, name), 'utf8'));
  const { name, version, license } = read('package.json') as Record<string, string>;
  const { packages } = read('package-lock.json') as { packages: Record<string, Locked> };
  const components = packagesOf(inputs).map((folder) => {
    const locked = packages[folder];
    if (locked === undefined) throw new Error(`package-lock.json does not name ${folder}`);
    return packageComponent(folder.replace(/^.*node_modules\//, ''), locked);
  });
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        ...{ type: 'application', 'bom-ref': `pkg:npm/${name}@${version}`, name, version },
        purl: `pkg:npm/${name}@${version}`,
        licenses: [{ license: { id: license } }],
      },
    },
    components: [...components, ...nodeComponents()],
  };
}

function packageComponent(name: string, { version, integrity, license }: Locked): object {
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  const [algorithm, hash] = integrity?.split('-', 2) ?? [];
  return {
    ...{ type: 'library', 'bom-ref': purl, name, version },
    ...(algorithm !== 'sha512' || hash === undefined
      ? {}
      : { hashes: [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }] }),
    ...(license === undefined ? {} : { licenses: [licence(license)] }),
    purl,
  };
}

function licence(text: string): object {
  return / /.test(text) ? { expression: text } : { license: { id: text } };
}

/** The runtime of each installer. */
function nodeComponents(): object[] {
  return Object.entries(platforms).map(([platform, { sha256 }]) => ({
    ...{ type: 'platform', 'bom-ref': `node-${platform}`, name: 'node', version: NODE_VERSION },
    description: `bin/node for ${platform}, inside stowage-${platform}`,
    hashes: [{ alg: 'SHA-256', content: sha256 }],
    purl: `pkg:generic/node@${NODE_VERSION}`,
  }));
}
