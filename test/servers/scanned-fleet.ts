import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { sbom } from '../../src/build/sbom/sbom.ts';
import type { ImagePackages } from '../../src/content/bill-entry.ts';
import { packageUrl } from '../../src/content/package.ts';
import type { Digest } from '../../src/core/digest.ts';
import { canonicalBytes } from '../../src/core/json.ts';
import { sampleOf } from '../build/samples.ts';
import { type Ran, stowage } from '../e2e/cli.ts';
import { connectedSide } from '../e2e/connected.ts';
import { installerComponents } from '../format/samples.ts';
import { beginLayout, writeImage, writeLayer, writeTags } from '../lab/image-layout.ts';
import { pushLayout, startRegistry } from '../lab/registry.ts';
import { cyclonedx } from '../support/cyclonedx.ts';
import type { scratchFolder } from '../support/scratch.ts';

const KEY = ['--key', 'pki/release.key.pem', '--certificate', 'pki/release.pem'];

interface Versions {
  readonly openssl: string;
  readonly jinja2: string;
  readonly parser: string;
}

/** The files of an image of Debian 12, by which package managers know what is in it. */
function rootOf({ openssl, jinja2, parser }: Versions): Readonly<Record<string, string>> {
  return {
    'usr/lib/os-release':
      'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
    'var/lib/dpkg/status': [
      'Package: base-files\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12.4+deb12u8\n',
      `Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\nVersion: ${openssl}\n`,
      'Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nSource: zlib (1:1.2.13.dfsg-1)\nVersion: 1:1.2.13.dfsg-1+b1\n',
    ].join('\n'),
    'usr/lib/python3/dist-packages/Jinja2.dist-info/METADATA': `Metadata-Version: 2.1\nName: Jinja2\nVersion: ${jinja2}\n`,
    'app/node_modules/@example/parser/package.json': JSON.stringify({
      ...{ name: '@example/parser', version: parser },
    }),
  };
}

/** The files of an image of Debian 12 in which a scanner finds something. */
export const oldRoot: Readonly<Record<string, string>> = rootOf({
  ...{ openssl: '3.0.11-1~deb12u2', jinja2: '3.1.2', parser: '1.4.0' },
});

/** The files of such an image with fixed versions, and without zlib. */
function fixedRoot(): Readonly<Record<string, string>> {
  const { 'var/lib/dpkg/status': status = '', ...newer } = rootOf({
    ...{ openssl: '3.0.15-1~deb12u1', jinja2: '3.1.6', parser: '2.0.0' },
  });
  const without = status.split('\n\n').filter((each) => !each.includes('zlib1g'));
  return { ...newer, 'var/lib/dpkg/status': `${without.join('\n\n')}\n` };
}

/** An SBOM of images with a program in Go 1.23.1, and of the installer with Node.js 24.0.0 and its undici 7.0.0. */
export function billOfPrograms(): Buffer {
  const { lock } = sampleOf(100);
  const components = installerComponents();
  const installer = {
    ...{ platform: 'linux/amd64', path: 'stowage-linux-x64', size: 1, crc32: '00000000' },
    ...{ sha512: components.sha512, components },
  };
  const library = { type: 'golang', name: 'stdlib', version: '1.23.1' } as const;
  const found = { ...library, url: packageUrl(library, undefined), locations: ['usr/bin/tool'] };
  const packages = new Map<Digest, ImagePackages>(
    lock.images.flatMap(({ platforms }) =>
      platforms.map(({ manifest }) => [manifest, { packages: [found], unread: [] }] as const),
    ),
  );
  return canonicalBytes(sbom(lock, { packages, models: new Map() }, [installer]));
}

/** An advisory of the fleet. */
export interface Recorded {
  readonly vulnerabilities: readonly {
    readonly id: string;
    readonly affects: readonly { readonly ref: string }[];
  }[];
}

/**
 * A fleet whose releases are packed from images of a registry: chat 1.0.0 with packages that are known to be bad, 1.1.0 with fixed ones,
 * 1.2.0 with the bad ones in a Debian that does not state its version.
 */
export interface ScannedFleet {
  /** Runs a command of the fleet. */
  run(...args: readonly string[]): Promise<Ran>;
  /** Runs `fleet scan` with the key of the fleet. */
  scan(...args: readonly string[]): Promise<Ran>;
  /** Packs a bundle of one image with these files, and records it. */
  add(version: string, files: Readonly<Record<string, string>>): Promise<void>;
  /** The SBOM of a release. */
  bill(version: string): Buffer;
  /** The advisory that a scan made, which is valid CycloneDX. */
  advisoryOf(ran: Ran): Recorded;
  /** The references of the components that an advisory about this release links to, all of which its SBOM has. */
  linkedComponents(ran: Ran, version: string): readonly string[];
  /** Writes what a person says of vulnerabilities, by their identifiers. */
  judge(verdicts: Readonly<Record<string, string>>): void;
  stop(): Promise<void>;
}

export async function scannedFleet(
  scratch: ReturnType<typeof scratchFolder>,
): Promise<ScannedFleet> {
  const work = scratch.fresh('work');
  const at = (...names: readonly string[]): string => join(work, ...names);
  const run = (...args: readonly string[]): Promise<Ran> =>
    stowage({ cwd: work, env: { STOWAGE_FLEET: at('fleet') } }, 'fleet', ...args);
  const must = async (running: Promise<Ran>): Promise<void> => {
    const { status, stdout, stderr } = await running;
    expect(status, `${stdout}${stderr}`).toBe(0);
  };
  mkdirSync(work);
  const registry = await startRegistry(scratch.fresh('registry'));
  const side = await connectedSide(work, { hub: { url: 'http://127.0.0.1:9' } });
  const trust = ['--trust', side.root, '--fingerprint', side.fingerprint];
  await must(run('init', at('fleet'), '--name', 'works', ...trust));
  const add = async (version: string, files: Readonly<Record<string, string>>): Promise<void> => {
    const [root, layout] = [scratch.fresh('root'), scratch.fresh('layout')];
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    beginLayout(layout);
    const layers = [await writeLayer(layout, root)];
    const platform = { os: 'linux', architecture: 'amd64' };
    writeTags(layout, { [version]: writeImage(layout, { platform, layers, config: {} }) });
    const image = `${registry.host}/lab/server:${version}`;
    await pushLayout(layout, version, image);
    const manifest = `apiVersion: stowage/v1
name: chat
version: ${version}
platforms: [linux/amd64]
images:
  - name: server
    source: ${image}
`;
    const bundle = await side.release(manifest, `chat-${version}`, '--no-installer');
    await must(run('add-release', bundle));
  };
  await add('1.0.0', oldRoot);
  await add('1.1.0', fixedRoot());
  await add('1.2.0', { ...oldRoot, 'usr/lib/os-release': 'ID=debian\n' });
  const billOf = (version: string): Buffer =>
    readFileSync(at(`chat-${version}`, 'attestations/sbom.cdx.json'));
  const advisoryOf = ({ json }: Ran): Recorded => {
    const file = at('fleet', json.advisories[0].document);
    const advisory = JSON.parse(readFileSync(file, 'utf8')) as Recorded;
    const valid = cyclonedx();
    valid(advisory);
    expect(valid.errors ?? []).toEqual([]);
    return advisory;
  };
  return {
    ...{ run, add, advisoryOf, bill: billOf },
    scan: (...args) => run('scan', ...args, ...KEY),
    linkedComponents: (ran, version) => {
      const bill = JSON.parse(billOf(version).toString('utf8'));
      const refs = bill.components[0].components.map(
        (each: { 'bom-ref': string }) => each['bom-ref'],
      );
      const document = `${bill.serialNumber.replace('urn:uuid:', 'urn:cdx:')}/1`;
      return advisoryOf(ran).vulnerabilities.flatMap(({ affects }) =>
        affects.map(({ ref }) => {
          const [linked, component = ''] = ref.split('#').map(decodeURIComponent);
          expect(linked).toBe(document);
          expect(refs).toContain(component);
          return component;
        }),
      );
    },
    judge: (verdicts) => {
      const lines = Object.entries(verdicts).map(
        ([id, more]) =>
          `  - { id: ${id}, ${more}, detail: no certificate is read, by: J. Officer }\n`,
      );
      writeFileSync(
        at('fleet/verdicts.yaml'),
        `apiVersion: stowage/v1\nverdicts:\n${lines.join('')}`,
      );
    },
    stop: () => registry.stop(),
  };
}
