import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { imagePackages } from '../../../src/build/sbom/image-packages.ts';
import type { ImagePackages } from '../../../src/content/bill-entry.ts';
import { MIB } from '../../../src/core/limits.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { endOfTar, paxHeader, type TarEntry, tarEntry, tarOf } from '../../support/tar.ts';
import { apkInstalled, dpkgStatus, osRelease, storedImage } from './image.ts';

const scratch = scratchFolder();
const never = new AbortController().signal;
const DPKG = 'var/lib/dpkg/status';

const file = (path: string, data: string, more: Partial<TarEntry> = {}): TarEntry => ({
  path,
  data,
  ...more,
});

async function read(...layers: readonly Buffer[]): Promise<ImagePackages> {
  const { store, image } = await storedImage(scratch.fresh('store'), layers);
  const [found] = [...(await imagePackages(image, store, never)).values()];
  if (found === undefined) throw new Error('nothing was read');
  return found;
}

const urls = (found: ImagePackages): string[] => found.packages.map(({ url }) => url);
const debian = tarOf(file('etc/os-release', osRelease.debian), file(DPKG, dpkgStatus));

/** A tar of entries with binary content. */
function tarOfBytes(path: string, data: Buffer, mode = 0o644): Buffer {
  const [header] = [tarEntry({ path, mode, size: data.length })];
  const padding = Buffer.alloc((512 - (data.length % 512)) % 512);
  return Buffer.concat([header ?? Buffer.alloc(0), data, padding, endOfTar]);
}

describe('when an image has packages of its distribution', () => {
  it('reads dpkg, except removed packages', async () => {
    const found = await read(debian);
    expect(urls(found)).toEqual([
      'pkg:deb/debian/libc6@2.36-9%2Bdeb12u8?arch=amd64&distro=debian-12&upstream=glibc',
      'pkg:deb/debian/tzdata@1:2024a-0%2Bdeb12u1?arch=all&distro=debian-12',
    ]);
    expect(found.os).toEqual({
      id: 'debian',
      version: '12',
      name: 'Debian GNU/Linux 12 (bookworm)',
    });
    expect(found.unread).toEqual([]);
  });

  it('reads the folder of distroless images', async () => {
    const stanza = 'Package: base-files\nVersion: 12.4\nArchitecture: amd64\n';
    const found = await read(
      tarOf(
        file('./usr/lib/os-release', osRelease.debian),
        file('./var/lib/dpkg/status.d/base', stanza),
        file('./var/lib/dpkg/status.d/base.md5sums', 'Package: no\nVersion: 1\n'),
      ),
    );
    expect(urls(found)).toEqual(['pkg:deb/debian/base-files@12.4?arch=amd64&distro=debian-12']);
  });

  it.each([
    ['openssl', 'openssl'],
    ['openssl (3.0.1-1)', 'openssl@3.0.1-1'],
    ['libssl3', undefined],
    ['libssl3 (3.0.1-1)', undefined],
    ['', undefined],
    ['two words', undefined],
  ])('names the source package of %j as %s', async (source, upstream) => {
    const found = await read(
      tarOf(file(DPKG, `Package: libssl3\nSource: ${source}\nVersion: 3.0.1-1+b1\n`)),
    );
    expect(found.packages[0]?.upstream).toBe(upstream);
  });

  it('reads apk', async () => {
    const found = await read(
      tarOf(file('etc/os-release', osRelease.alpine), file('lib/apk/db/installed', apkInstalled)),
    );
    expect(urls(found)).toEqual([
      'pkg:apk/alpine/busybox-binsh@1.36.1-r29?arch=x86_64&distro=alpine-3.20.1&upstream=busybox',
      'pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.1',
    ]);
    expect(found.packages[0]?.license).toBe('GPL-2.0-only');
  });

  it("reads rpm's SQLite database with several pages", async () => {
    const packages = Array.from({ length: 300 }, (_, n) =>
      rpmHeader(
        { 1000: `p${n}`, 1001: '1.0', 1002: '2.fc41', 1014: 'MIT', 1022: 'x86_64' },
        n === 7 ? 20_000 : 0,
      ),
    );
    const key = rpmHeader({ 1000: 'gpg-pubkey', 1001: '1', 1002: '2' });
    const epoch = rpmHeader(
      { 1000: 'dbus', 1001: '1.14', 1002: '4', 1022: 'noarch', 1044: 'dbus-1.14-4.src.rpm' },
      0,
      1,
    );
    const part = {
      1000: 'openssl-libs',
      1001: '3.2',
      1002: '8.fc41',
      1044: 'openssl-3.2-8.fc41.src.rpm',
    };
    const library = rpmHeader(part);
    const path = 'usr/lib/sysimage/rpm/rpmdb.sqlite';
    const found = await read(
      tarOf(file('etc/os-release', osRelease.fedora)),
      tarOfBytes(path, rpmDatabase([...packages, key, epoch, library])),
    );
    expect(found.unread).toEqual([]);
    expect(found.packages).toHaveLength(302);
    expect(urls(found)[0]).toBe('pkg:rpm/fedora/dbus@1.14-4?arch=noarch&distro=fedora-41&epoch=1');
    expect(urls(found)).toContain('pkg:rpm/fedora/p7@1.0-2.fc41?arch=x86_64&distro=fedora-41');
    expect(urls(found)).toContain(
      'pkg:rpm/fedora/openssl-libs@3.2-8.fc41?distro=fedora-41&upstream=openssl-3.2-8.fc41.src.rpm',
    );
  });

  it.each([
    ['var/lib/rpm/Packages', 'rpm packages in a Berkeley database, which is not supported'],
    ['usr/lib/sysimage/rpm/Packages.db', 'rpm packages in an NDB database, which is not supported'],
  ])('reports that %s is not supported', async (path, why) => {
    expect((await read(tarOf(file(path, 'x')))).unread).toEqual([{ what: path, why }]);
  });
});

describe('when an image has language packages', () => {
  it('reads those of Python, npm, Ruby, Java and Go', async () => {
    const gem =
      'Gem::Specification.new do |s|\n  s.name = "rake".freeze\n  s.version = "13.0.6"\n  s.licenses = ["MIT".freeze]\nend\n'.replaceAll(
        '.freeze',
        '',
      );
    const found = await read(
      tarOf(
        file(
          'opt/v/lib/python3/site-packages/Flask_Cors-4.0.dist-info/METADATA',
          'Metadata-Version: 2.1\nName: Flask_Cors\nVersion: 4.0\nLicense: MIT\n\nName: other\n',
        ),
        file(
          'usr/lib/python3/dist-packages/six.egg-info',
          'Name: six\nVersion: 1.16\nLicense: UNKNOWN\n',
        ),
        file(
          'app/node_modules/@scope/a/package.json',
          '{"name":"@scope/a","version":"1.0.0","license":"ISC"}',
        ),
        file(
          'app/node_modules/b/package.json',
          '{"name":"b","version":"2.0.0","license":{"type":"MIT"}}',
        ),
        file('app/node_modules/b/lib/package.json', '{"name":"inner","version":"1"}'),
        file('app/node_modules/broken/package.json', '{"name":'),
        file('usr/lib/ruby/specifications/rake-13.0.6.gemspec', gem),
      ),
      tarOfBytes(
        'app/lib/a.jar',
        zipOf({
          'META-INF/maven/org.example/a/pom.properties': Buffer.from(
            'version=1.2\ngroupId=org.example\nartifactId=a\n',
          ),
          'BOOT-INF/lib/b.jar': zipOf({
            'META-INF/maven/g/b/pom.properties': Buffer.from(
              'groupId = g\nartifactId = b\nversion = 3\n',
            ),
          }),
        }),
      ),
      tarOfBytes('usr/bin/tool', goProgram(), 0o755),
    );
    expect(urls(found)).toEqual([
      'pkg:gem/rake@13.0.6',
      'pkg:golang/example.com/new@v2.0.0',
      'pkg:golang/example.com/tool@(devel)'.replace('(devel)', '%28devel%29'),
      'pkg:golang/github.com/burntsushi/toml@v1.3.2',
      'pkg:golang/stdlib@1.23.1',
      'pkg:maven/g/b@3',
      'pkg:maven/org.example/a@1.2',
      'pkg:npm/%40scope/a@1.0.0',
      'pkg:npm/b@2.0.0',
      'pkg:pypi/flask-cors@4.0',
      'pkg:pypi/six@1.16',
    ]);
    expect(found.packages.find(({ name }) => name === 'six')?.license).toBeUndefined();
    expect(found.unread).toEqual([]);
  });

  it('lists a package once, with each place', async () => {
    const text = '{"name":"b","version":"2.0.0"}';
    const found = await read(
      tarOf(
        file('x/node_modules/b/package.json', text),
        file('a/node_modules/b/package.json', text),
      ),
    );
    expect(found.packages[0]?.locations).toEqual([
      'a/node_modules/b/package.json',
      'x/node_modules/b/package.json',
    ]);
  });
});

describe('when an image has several layers', () => {
  const apk = tarOf(file('lib/apk/db/installed', apkInstalled));
  it.each<[string, readonly TarEntry[], number]>([
    ['nothing of it', [], 2],
    ['the file anew', [file(DPKG, 'Package: one\nVersion: 1\n')], 1],
    ['the file empty', [file(DPKG, '')], 0],
    ['a whiteout of the file', [file('var/lib/dpkg/.wh.status', '')], 0],
    ['a whiteout of a folder above', [file('var/.wh.lib', '')], 0],
    ['an opaque folder', [file('var/lib/dpkg/.wh..wh..opq', '')], 0],
    ['an opaque root', [file('.wh..wh..opq', '')], 0],
    [
      'an opaque folder that contains the file again',
      [file(DPKG, 'Package: one\nVersion: 1\n'), file('var/lib/dpkg/.wh..wh..opq', '')],
      1,
    ],
    [
      'a link in the place of a folder',
      [file('var/lib', '', { type: '2', link: '/elsewhere' })],
      0,
    ],
    ['a file in the place of a folder', [file('var', 'x')], 0],
    ['a link in the place of the file', [file(DPKG, '', { type: '2', link: '/etc/passwd' })], 0],
    ['the folder again', [file('var/lib/dpkg/', '', { type: '5' })], 2],
    ['a whiteout of a similar file name', [file('var/lib/dpkg/.wh.status-old', '')], 2],
    ['a whiteout of a similar folder name', [file('var/.wh.li', '')], 2],
  ])('counts %s', async (_, entries, count) => {
    const found = await read(debian, tarOf(file('bin/x', 'x'), ...entries));
    expect(found.packages).toHaveLength(count);
  });

  it('keeps files that a layer writes next to its own whiteout, and files of layers above it', async () => {
    const whiteout = tarOf(file('var/lib/dpkg/.wh.status', ''), file(DPKG, dpkgStatus));
    expect((await read(debian, whiteout)).packages).toHaveLength(2);
    const gone = tarOf(file('var/lib/dpkg/.wh.status', ''));
    expect((await read(debian, gone, debian)).packages).toHaveLength(2);
    expect((await read(debian, gone, apk)).packages).toHaveLength(2);
  });

  it('uses the later of two entries with the same name', async () => {
    const twice = tarOf(file(DPKG, dpkgStatus), file(DPKG, 'Package: one\nVersion: 1\n'));
    expect((await read(twice)).packages).toHaveLength(1);
  });
});

describe('when a layer is compressed', () => {
  const frames = [debian.subarray(0, 1000), debian.subarray(1000)].map((each) =>
    zstdCompressSync(each),
  );
  const skippable = Buffer.concat([Buffer.from('502a4d1803000000', 'hex'), Buffer.from('abc')]);
  it.each<[string, Buffer]>([
    ['not at all', debian],
    ['by gzip', gzipSync(debian)],
    [
      'by gzip in two members',
      Buffer.concat([gzipSync(debian.subarray(0, 700)), gzipSync(debian.subarray(700))]),
    ],
    ['by zstd', zstdCompressSync(debian)],
    [
      'by zstd in frames, as zstd:chunked',
      Buffer.concat([skippable, ...frames.flatMap((each) => [each, skippable])]),
    ],
  ])('%s, reads it', async (_, layer) => {
    const found = await read(layer);
    expect(found.unread).toEqual([]);
    expect(found.packages).toHaveLength(2);
  });

  const bomb = gzipSync(
    Buffer.concat([tarEntry(file('a', '', { size: 2 ** 33 - 1 })), Buffer.alloc(64 * MIB)]),
  );
  it.each<[string, Buffer]>([
    ['truncated gzip', gzipSync(debian).subarray(0, 200)],
    ['gzip with a wrong byte', flip(gzipSync(debian), 100)],
    ['gzip with a wrong sum', flip(gzipSync(debian), -6)],
    ['truncated zstd', zstdCompressSync(debian).subarray(0, 100)],
    ['zstd cut in a header', zstdCompressSync(debian).subarray(0, 5)],
    ['zstd with trailing data', Buffer.concat([zstdCompressSync(debian), Buffer.from('rest')])],
    ['a reserved block of zstd', Buffer.from('28b52ffd2000070000', 'hex')],
    ['gzip within gzip', gzipSync(gzipSync(debian))],
    ['zstd within gzip', gzipSync(zstdCompressSync(debian))],
    ['no tar', Buffer.from('layer')],
    ['a tar truncated in a header', debian.subarray(0, 1100)],
    ['a tar truncated in a file', debian.subarray(0, 1700)],
    [
      'a wrong checksum of a header',
      tarOf(file('a', 'x', { badChecksum: true }), file(DPKG, 'Package: a\nVersion: 1\n')),
    ],
    ['a truncated decompression bomb', bomb],
  ])('with %s, reports it and continues', async (_, layer) => {
    const found = await read(layer, tarOf(file('lib/apk/db/installed', apkInstalled)));
    expect(found.unread).toHaveLength(1);
    expect(found.unread[0]?.what).toMatch(/^layer sha256:/);
    expect(found.packages.length).toBeGreaterThanOrEqual(2);
  });
});

describe('when the files of an image are hostile', () => {
  it('reports an oversized status file as unread', async () => {
    const giant = Buffer.concat([
      tarEntry(file(DPKG, '', { size: 33 * MIB })),
      Buffer.alloc(33 * MIB, 'Package: a\nVersion: 1\n\n'),
      endOfTar,
    ]);
    const found = await read(gzipSync(giant));
    expect(found.packages).toEqual([]);
    expect(found.unread).toEqual([{ what: DPKG, why: 'larger than 33554432 bytes' }]);
  });

  it('removes terminal control characters from names', async () => {
    const found = await read(
      tarOf(
        file(
          DPKG,
          'Package: a\u001b[2Jb\nVersion: 1\u0007\n\nPackage: \u202e\nVersion: 2\n\nPackage: c\nVersion: \u0000\n',
        ),
      ),
    );
    expect(JSON.stringify(found)).not.toMatch(/\\u001b|\\u0007|\u202e/);
    expect(found.packages.map(({ name, version }) => `${name} ${version}`)).toEqual([
      '<U+202E> 2',
      'a<U+001B>[2Jb 1<U+0007>',
      'c <U+0000>',
    ]);
  });

  it('handles lone surrogates and the name __proto__', async () => {
    const found = await read(
      tarOf(
        file('node_modules/a/package.json', '{"name":"a\\ud800","version":"1"}'),
        file('node_modules/b/package.json', '{"name":"__proto__","version":"1"}'),
        file('node_modules/c/package.json', '[]'),
        file('node_modules/d/package.json', 'null'),
        file('node_modules/e/package.json', '{"name":{},"version":[]}'),
      ),
    );
    expect(urls(found)).toEqual(['pkg:npm/__proto__@1', 'pkg:npm/a%3CU%2BD800%3E@1']);
  });

  it.each<[string, string, Buffer]>([
    ['a database that is none', 'var/lib/rpm/rpmdb.sqlite', Buffer.alloc(5000)],
    [
      'a truncated database',
      'var/lib/rpm/rpmdb.sqlite',
      rpmDatabase([rpmHeader({ 1000: 'a' }, 20_000)]).subarray(0, 8192),
    ],
    ['a tree that holds itself', 'var/lib/rpm/rpmdb.sqlite', ouroboros()],
    ['a zip that is none', 'a.jar', Buffer.from('PK')],
    ['a zip with a wrong directory', 'a.jar', flip(zipOf({ a: Buffer.from('b') }), -20)],
    ['a bomb in a jar', 'a.jar', zipOf({ 'META-INF/maven/g/a/pom.properties': Buffer.alloc(MIB) })],
  ])('reports %s as unread', async (_, path, data) => {
    const found = await read(tarOfBytes(path, data));
    expect(found.packages).toEqual([]);
    expect(found.unread).toEqual([{ what: path, why: 'malformed' }]);
  });

  it('finds build information across chunk boundaries, and skips false matches', async () => {
    for (const shift of [0, 1, 262_140, 262_150]) {
      const program = Buffer.concat([
        Buffer.from('\xff Go buildinf:xx', 'latin1'),
        Buffer.alloc(shift, 'z'),
        goProgram(),
      ]);
      expect((await read(tarOfBytes('bin/t', program, 0o755))).packages).toHaveLength(4);
    }
    expect((await read(tarOfBytes('bin/t', goProgram()))).packages).toEqual([]);
    expect(
      (await read(tarOfBytes('bin/t', goProgram().subarray(0, 70_100), 0o755))).packages,
    ).toEqual([]);
  });

  it('reads a long name from an extended header', async () => {
    const path = `opt/${'d'.repeat(120)}/node_modules/b/package.json`;
    const found = await read(
      tarOf(paxHeader({ path }), file('short', '{"name":"b","version":"2"}')),
    );
    expect(found.packages[0]?.locations).toEqual([path]);
  });
});

describe('when a manifest is malformed', () => {
  it.each(['', 'manifest', 'null', '{}', '{"layers":{}}', '{"layers":[null]}'])(
    'reports %j as unreadable',
    async (text) => {
      const { store, image } = await storedImage(scratch.fresh('store'), []);
      const manifest = await store.put(Buffer.from(text));
      const platforms = [{ platform: 'linux/amd64', manifest, config: manifest }];
      const [found] = [...(await imagePackages({ ...image, platforms }, store, never)).values()];
      expect(found).toEqual({
        packages: [],
        unread: [{ what: `manifest ${manifest}`, why: 'not readable' }],
      });
    },
  );
});

describe('when an image was read before', () => {
  it('returns the same list without reading the layers again', async () => {
    const root = scratch.fresh('store');
    const { store, image } = await storedImage(root, [debian]);
    const first = await imagePackages(image, store, never);
    const [note = ''] = readdirSync(join(root, 'packages'));
    expect(note).toMatch(/^[0-9a-f]{64}\.\d+\.json$/);
    expect(await imagePackages(image, store, never)).toEqual(first);
    writeFileSync(join(root, 'packages', note), '{"packages":[');
    expect(await imagePackages(image, store, never)).toEqual(first);
  });

  it('reads each platform', async () => {
    const other = tarOf(file('lib/apk/db/installed', apkInstalled));
    const { store, image } = await storedImage(scratch.fresh('store'), [debian], [other]);
    const found = [...(await imagePackages(image, store, never)).values()];
    expect(found.map(({ packages }) => packages.length)).toEqual([2, 2]);
    expect(found[1]?.packages[0]?.url).toBe(
      'pkg:apk/alpine/busybox-binsh@1.36.1-r29?arch=x86_64&upstream=busybox',
    );
  });

  it('stops when interrupted', async () => {
    const { store, image } = await storedImage(scratch.fresh('store'), [gzipSync(debian)]);
    await expectCode(() => imagePackages(image, store, AbortSignal.abort()), 'interrupted');
    expect(readdirSync(store.root)).not.toContain('packages');
  });
});

function flip(bytes: Buffer, at: number): Buffer {
  const bent = Buffer.from(bytes);
  const index = at < 0 ? bent.length + at : at;
  bent[index] = (bent[index] ?? 0) ^ 0xff;
  return bent;
}

function rpmHeader(tags: Readonly<Record<number, string>>, padding = 0, epoch?: number): Buffer {
  const entries: Buffer[] = [];
  const data: Buffer[] = [];
  let offset = 0;
  const add = (tag: number, type: number, bytes: Buffer): void => {
    const entry = Buffer.alloc(16);
    for (const [n, value] of [tag, type, offset, 1].entries()) entry.writeUInt32BE(value, 4 * n);
    entries.push(entry);
    data.push(bytes);
    offset += bytes.length;
  };
  if (epoch !== undefined) add(1003, 4, Buffer.from([0, 0, 0, epoch]));
  add(1005, 9, Buffer.alloc(padding + 1));
  for (const [tag, text] of Object.entries(tags)) add(Number(tag), 6, Buffer.from(`${text}\0`));
  const head = Buffer.alloc(8);
  head.writeUInt32BE(entries.length, 0);
  head.writeUInt32BE(offset, 4);
  return Buffer.concat([head, ...entries, ...data]);
}

/** A database as SQLite itself writes it. */
function rpmDatabase(headers: readonly Buffer[]): Buffer {
  const database = new DatabaseSync(':memory:');
  try {
    database.exec('CREATE TABLE Name (a)');
    database.exec(
      'CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)',
    );
    const insert = database.prepare('INSERT INTO Packages (blob) VALUES (?)');
    for (const header of headers) insert.run(header);
    const path = scratch.fresh('rpmdb.sqlite');
    database.exec(`VACUUM INTO '${path}'`);
    return readFileSync(path);
  } finally {
    database.close();
  }
}

/** The same, but its schema page is an interior page that refers to itself. */
function ouroboros(): Buffer {
  const bytes = Buffer.from(rpmDatabase([]));
  bytes.writeUInt8(5, 100);
  bytes.writeUInt16BE(0, 103);
  bytes.writeUInt32BE(1, 108);
  return bytes;
}

function zipOf(files: Readonly<Record<string, Buffer>>): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const packed = deflateRawSync(content);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(8, 8);
    local.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(8, 10);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt32LE(content.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(offset, 42);
    locals.push(local, Buffer.from(name), packed);
    directory.push(entry, Buffer.from(name));
    offset += 30 + name.length + packed.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, ...directory, end]);
}

/** The build information of a Go program (1.18 and later), after padding to a realistic size. */
function goProgram(): Buffer {
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value, 'latin1');
    return Buffer.concat([Buffer.from([(bytes.length & 0x7f) | 0x80, bytes.length >> 7]), bytes]);
  };
  const lines = [
    'path\texample.com/tool/cmd',
    'mod\texample.com/tool\t(devel)\t',
    'dep\tgithub.com/BurntSushi/toml\tv1.3.2\th1:x=',
    'dep\texample.com/old\tv1.0.0\th1:x=',
    '=>\texample.com/new\tv2.0.0\th1:x=',
    'build\t-compiler=gc',
  ];
  const sentinel = 's'.repeat(16);
  const header = Buffer.concat([
    Buffer.from('\xff Go buildinf:\x08\x02', 'latin1'),
    Buffer.alloc(16),
  ]);
  return Buffer.concat([
    Buffer.alloc(70_000, 'code'),
    header,
    text('go1.23.1'),
    text(`${sentinel}${lines.join('\n')}\n${sentinel}`),
    Buffer.alloc(5000),
  ]);
}
