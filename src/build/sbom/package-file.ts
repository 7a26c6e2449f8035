import type { OperatingSystem, Package } from '../../content/package.ts';
import { KIB, MIB } from '../../core/limits.ts';
import { GoBuildInfo } from './go-binary.ts';
import { readJar } from './jar.ts';
import { readRpmDatabase } from './rpm.ts';
import { readApk, readDpkg, readGemspec, readNpm, readOsRelease, readPython } from './stanzas.ts';

/** The packages that one file of an image lists. */
export interface FileContent {
  readonly packages: readonly Package[];
  readonly os?: OperatingSystem;
  /** Why the file could not be read. */
  readonly unread?: string;
}

/** Receives the bytes of a file. */
export interface FileReader {
  write(chunk: Buffer): void;
  end(): FileContent;
}

interface Kind {
  readonly path: RegExp;
  readonly maxBytes: number;
  readonly read: (bytes: Buffer) => FileContent;
}

const of =
  (read: (bytes: Buffer) => Package[]): Kind['read'] =>
  (bytes) => ({ packages: read(bytes) });
const unreadable =
  (unread: string): Kind['read'] =>
  () => ({ packages: [], unread });

const RPM = '(?:var/lib|usr/lib/sysimage|usr/share)/rpm';
const SMALL: number = MIB;

const kinds: readonly Kind[] = [
  { path: /^var\/lib\/dpkg\/status$/, maxBytes: 32 * MIB, read: of(readDpkg) },
  {
    path: /^var\/lib\/dpkg\/status\.d\/(?!.*\.md5sums$)[^/]+$/,
    maxBytes: SMALL,
    read: of(readDpkg),
  },
  { path: /^(?:usr\/)?lib\/apk\/db\/installed$/, maxBytes: 32 * MIB, read: of(readApk) },
  {
    path: new RegExp(`^${RPM}/rpmdb\\.sqlite$`),
    maxBytes: 128 * MIB,
    read: of(readRpmDatabase),
  },
  {
    path: new RegExp(`^${RPM}/Packages$`),
    maxBytes: 0,
    read: unreadable('rpm packages in a Berkeley database, which is not supported'),
  },
  {
    path: new RegExp(`^${RPM}/Packages\\.db$`),
    maxBytes: 0,
    read: unreadable('rpm packages in an NDB database, which is not supported'),
  },
  {
    path: /^(?:etc|usr\/lib)\/os-release$/,
    maxBytes: 64 * KIB,
    read: (bytes) => {
      const os = readOsRelease(bytes);
      return { packages: [], ...(os === undefined ? {} : { os }) };
    },
  },
  {
    path: /\.(?:dist-info\/METADATA|egg-info\/PKG-INFO|egg-info)$/,
    maxBytes: 4 * SMALL,
    read: of(readPython),
  },
  {
    path: /(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/@][^/]*\/package\.json$/,
    maxBytes: SMALL,
    read: of(readNpm),
  },
  { path: /\.(?:jar|war|ear)$/, maxBytes: 128 * MIB, read: of(readJar) },
  {
    path: /\/specifications\/(?:default\/)?[^/]+\.gemspec$/,
    maxBytes: SMALL,
    read: of(readGemspec),
  },
];

const MIN_PROGRAM_BYTES: number = 64 * KIB;
const ANYBODY_RUNS = 0o111;

/** A reader for a file of an image; undefined if the file cannot list packages. */
export function readerOf(path: string, size: number, mode: number): FileReader | undefined {
  const kind = kinds.find((each) => each.path.test(path));
  if (kind !== undefined) return whole(kind, size);
  if ((mode & ANYBODY_RUNS) === 0 || size < MIN_PROGRAM_BYTES || /\.(?:so|py|sh)\b/.test(path))
    return undefined;
  const info = new GoBuildInfo();
  return { write: (chunk) => info.write(chunk), end: () => ({ packages: info.end() }) };
}

function whole({ maxBytes, read }: Kind, size: number): FileReader {
  const chunks: Buffer[] = [];
  const fits = size <= maxBytes;
  return {
    write: (chunk) => {
      if (fits) chunks.push(Buffer.from(chunk));
    },
    end: () => {
      if (!fits && maxBytes > 0) return { packages: [], unread: `larger than ${maxBytes} bytes` };
      try {
        return read(Buffer.concat(chunks));
      } catch {
        return { packages: [], unread: 'malformed' };
      }
    },
  };
}
