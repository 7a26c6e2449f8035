import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeCpe, packageComponent } from '../../src/build/sbom/installer-entry.ts';
import { packagesInside } from '../installer/components.ts';
import { NODE_VERSION, platforms } from '../installer/platforms.ts';

/**
 * What is inside the program and its installers, as CycloneDX 1.6: each package by what package-lock.json says of it,
 * and Node. It has neither a time nor a number of its own: equal sources, equal bytes.
 * @param inputs files whose code is inside, below `root`
 */
export function toolSbom(root: string, inputs: readonly string[]): object {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(root, name), 'utf8'));
  const { name, version, license } = read('package.json') as Record<string, string>;
  const components = packagesInside(root, inputs).map((each) => packageComponent(each.purl, each));
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

/** The runtime of each installer; what is in it is in the list next to the installer. */
function nodeComponents(): object[] {
  return Object.entries(platforms).map(([platform, { sha256 }]) => ({
    ...{ type: 'application', 'bom-ref': `node-${platform}`, name: 'node', version: NODE_VERSION },
    description: `bin/node for ${platform}, inside stowage-${platform}`,
    hashes: [{ alg: 'SHA-256', content: sha256 }],
    purl: `pkg:generic/node@${NODE_VERSION}`,
    ...nodeCpe(NODE_VERSION),
  }));
}
