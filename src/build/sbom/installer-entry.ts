import type { BillEntry } from '../../content/bill-entry.ts';
import { licensesOf } from '../../content/licenses.ts';
import { sriHex } from '../../core/digest.ts';
import { canonicalJson, type Json } from '../../core/json.ts';
import {
  type DescribedInstaller,
  type InstallerPackage,
  type InstallerPart,
  type InstallerRuntime,
  isToolkit,
} from '../../format/installer.ts';

/** An installer, with the dependencies among the components in it. */
export interface InstallerEntry extends BillEntry {
  readonly inner: readonly Json[];
}

/**
 * An installer as a CycloneDX component that contains its npm packages and Node. Without the list of its components, the
 * entry is incomplete.
 */
export function installerEntry(installer: DescribedInstaller): InstallerEntry {
  const { path, platform, sha512, components } = installer;
  const ref = `installer:${path}`;
  const component = {
    type: 'application',
    'bom-ref': ref,
    name: path,
    description: `The ${isToolkit(installer) ? 'toolkit' : 'installer'} for ${platform}`,
    hashes: [{ alg: 'SHA-512', content: sriHex(sha512) }],
  };
  if (components === undefined) return { ref, component, packages: [], complete: false, inner: [] };
  const { packages, runtime } = components;
  const node = `${ref}/${runtime.purl}`;
  return {
    ref,
    component: {
      ...component,
      components: [
        ...packages.map((each) => packageComponent(`${ref}/${each.purl}`, each)),
        runtimeComponent(node, runtime),
      ],
    },
    packages: [...packages.map(({ purl }) => `${ref}/${purl}`), node],
    complete: true,
    inner: [
      ...packages
        .filter(({ dependsOn }) => dependsOn.length > 0)
        .map(({ purl, dependsOn }) => ({
          ref: `${ref}/${purl}`,
          dependsOn: dependsOn.map((each) => `${ref}/${each}`),
        })),
      { ref: node, dependsOn: runtime.parts.map((each) => `${node}/${each.purl}`) },
    ],
  };
}

/** An npm package as a CycloneDX component. */
export function packageComponent(ref: string, each: InstallerPackage): Json {
  return {
    ...partComponent(ref, each),
    ...licensesOf(each.license),
    ...(each.sha512 === undefined ? {} : { hashes: [{ alg: 'SHA-512', content: each.sha512 }] }),
  };
}

function runtimeComponent(ref: string, { parts, license, ...runtime }: InstallerRuntime): Json {
  return {
    ...partComponent(ref, runtime),
    // Scanners pass over components of type platform.
    type: 'application',
    ...nodeCpe(runtime.version),
    description: 'Node.js; the hash is that of bin/node before its symbols were removed',
    ...licensesOf(license),
    hashes: [{ alg: 'SHA-256', content: runtime.sha256 }],
    components: parts.map((each) => partComponent(`${ref}/${each.purl}`, each)),
  };
}

/** What the National Vulnerability Database calls Node (CPE 2.3, NISTIR 7695): scanners do not look up its package URL. */
export function nodeCpe(version: string): { cpe?: string } {
  if (!/^[0-9]+(?:\.[0-9]+)*$/.test(version)) return {};
  return { cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*` };
}

function partComponent(ref: string, { name, version, purl }: InstallerPart): Record<string, Json> {
  const [, group, bare] = /^(@[^/]+)\/(.+)$/.exec(name) ?? [undefined, undefined, name];
  return {
    type: 'library',
    'bom-ref': ref,
    ...(group === undefined ? {} : { group }),
    name: bare ?? name,
    version,
    purl,
  };
}

/** The components of installers as resource descriptors (in-toto v1), each once. */
export function componentDescriptors(installers: readonly DescribedInstaller[]): Json[] {
  const all = installers.flatMap(({ path, components }): Json[] => {
    if (components === undefined) return [];
    const { packages, runtime } = components;
    return [
      ...packages.map(({ purl, sha512 }) => ({
        uri: purl,
        ...(sha512 === undefined ? {} : { digest: { sha512 } }),
      })),
      { name: `${path}: bin/node`, uri: runtime.purl, digest: { sha256: runtime.sha256 } },
      ...runtime.parts.map(({ purl }) => ({ uri: purl })),
    ];
  });
  return [...new Map(all.map((each) => [canonicalJson(each), each])).values()];
}
