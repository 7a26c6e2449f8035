import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, createReadStream, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { packageUrl } from '../../src/content/package.ts';
import { sriFromHex } from '../../src/core/digest.ts';
import { writeJson } from '../../src/format/document.ts';
import {
  componentsPath,
  type InstallerPackage,
  type InstallerPart,
  installerComponentsKind,
} from '../../src/format/installer.ts';
import { packagesOf } from '../build/notices.ts';
import { NODE_VERSION, type Platform, platforms } from './platforms.ts';
import { runtime } from './runtime.ts';

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/**
 * The npm packages whose code is inside, by what package-lock.json says of them, sorted by purl.
 * @param inputs files whose code is inside, below `root`
 * @throws Error for a package that it does not name
 */
export function packagesInside(root: string, inputs: readonly string[]): InstallerPackage[] {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>;
  };
  const folders = new Map<string, Locked>();
  for (const folder of packagesOf(inputs)) {
    const locked = packages[folder];
    if (locked === undefined) throw new Error(`package-lock.json does not name ${folder}`);
    folders.set(folder, locked);
  }
  const inside = new Map<string, InstallerPackage>();
  for (const [folder, locked] of folders) {
    const purl = purlOf(folder, locked);
    const dependsOn = Object.keys({
      ...locked.dependencies,
      ...locked.optionalDependencies,
      ...locked.peerDependencies,
    }).flatMap((name) => {
      const found = resolved(folder, name, folders);
      return found === undefined ? [] : [purlOf(...found)];
    });
    const earlier = inside.get(purl)?.dependsOn ?? [];
    const [algorithm, hash] = locked.integrity?.split('-', 2) ?? [];
    inside.set(purl, {
      ...{ name: nameOf(folder), version: locked.version, purl },
      ...(locked.license === undefined ? {} : { license: locked.license }),
      ...(algorithm !== 'sha512' || hash === undefined
        ? {}
        : { sha512: Buffer.from(hash, 'base64').toString('hex') }),
      dependsOn: [...new Set([...earlier, ...dependsOn])].toSorted(),
    });
  }
  return [...inside.values()].toSorted(byPurl);
}

/** The package that Node's resolution finds by a name, among those inside: in this folder or the nearest one above it. */
function resolved(
  folder: string,
  name: string,
  folders: ReadonlyMap<string, Locked>,
): [string, Locked] | undefined {
  for (let from = folder; ; from = from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/')))) {
    const path = `${from === '' ? '' : `${from}/`}node_modules/${name}`;
    const locked = folders.get(path);
    if (locked !== undefined) return [path, locked];
    if (from === '') return undefined;
  }
}

function nameOf(folder: string): string {
  return folder.replace(/^.*node_modules\//, '');
}

function purlOf(folder: string, { version }: Locked): string {
  const [, namespace, name = nameOf(folder)] = /^(@[^/]+)\/(.+)$/.exec(nameOf(folder)) ?? [];
  const scope = namespace === undefined ? {} : { namespace };
  return packageUrl({ type: 'npm', name, version, ...scope }, undefined);
}

/** Versions of interfaces, which are no software. */
const interfaces: readonly string[] = ['node', 'modules', 'napi'];
/** What `process.versions` calls otherwise than its authors do. */
const names: Readonly<Record<string, string>> = { ares: 'c-ares', uv: 'libuv' };
const fromNpm: readonly string[] = ['acorn', 'amaro', 'undici'];

/**
 * What is in Node, as the pinned executable for this machine states in `process.versions`. The executables for other
 * machines are built from the same sources, and state the same.
 */
export async function runtimeParts(root: string): Promise<InstallerPart[]> {
  const here = platforms[`linux-${process.arch}`];
  if (here === undefined) throw new Error(`there is no pinned Node for ${process.arch}`);
  const node = await runtime(here, root);
  const stated = execFileSync(node, ['--print', 'JSON.stringify(process.versions)'], {
    encoding: 'utf8',
    env: {},
  });
  return partsOf(JSON.parse(stated) as Record<string, string>);
}

/** @param versions `process.versions`: what was left out of a build has an empty version */
export function partsOf(versions: Readonly<Record<string, string | undefined>>): InstallerPart[] {
  return Object.entries(versions)
    .flatMap(([key, version = '']) => {
      if (version === '' || interfaces.includes(key)) return [];
      const name = names[key] ?? key;
      const type = fromNpm.includes(key) ? 'npm' : 'generic';
      return [{ name, version, purl: `pkg:${type}/${name}@${encodeURIComponent(version)}` }];
    })
    .toSorted(byPurl);
}

/** Writes the list of an installer's components next to it. */
export async function writeComponents(
  installer: string,
  { sha256 }: Platform,
  { packages, parts }: { packages: InstallerPackage[]; parts: InstallerPart[] },
): Promise<void> {
  const hash = createHash('sha512');
  await pipeline(createReadStream(installer), hash);
  const list = writeJson(installerComponentsKind, {
    schema: 'stowage/installer-components/v1',
    installer: basename(installer),
    sha512: sriFromHex(hash.digest('hex')),
    packages,
    runtime: {
      ...{ name: 'node', version: NODE_VERSION, purl: `pkg:generic/node@${NODE_VERSION}` },
      ...{ license: 'MIT', sha256, parts },
    },
  });
  const path = componentsPath(installer);
  const temporary = `${path}.${process.pid}.partial`;
  writeFileSync(temporary, list);
  chmodSync(temporary, 0o644);
  renameSync(temporary, path);
}

function byPurl(a: InstallerPart, b: InstallerPart): number {
  return a.purl < b.purl ? -1 : 1;
}
