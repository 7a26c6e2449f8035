import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/digest.ts';
import { memoryBytes } from '../../src/examine/bytes.ts';
import { examineContent } from '../../src/examine/examine-content.ts';
import { examineLock } from '../../src/examine/examine-lock.ts';
import { findSecrets } from '../../src/examine/secrets.ts';
import { checkDocument } from '../../src/format/document.ts';
import type { Finding } from '../../src/format/finding.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { pythonPickles } from '../lab/python-pickles.ts';
import { unsafeFiles } from '../lab/unsafe-files.ts';
import { writeZip } from '../lab/zip.ts';
import { expectCode } from '../support/error.ts';
import { endOfTar, paxHeader, tarEntry, tarOf } from '../support/tar.ts';
import { lockFindings } from './examining.ts';

const MIB = 1024 * 1024;
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const secrets = unsafeFiles(pythonPickles()).filter(({ rule }) => rule.startsWith('secret-'));
const found = (text: string): Promise<string[]> => findSecrets(memoryBytes(Buffer.from(text)));

describe('when a packed file contains a secret (attack 119)', () => {
  it.each(secrets.map((each) => [each.rule, each.title, each.bytes.toString()] as const))(
    'finds %s: %s, and does not show it',
    async (title, _, text) => {
      const rules = await found(text);
      expect(rules).not.toEqual([]);
      const secret = text.split('\n').slice(1, -2).join('\n');
      const error = await expectCode(() => lockFindings({ 'a.txt': text }), 'content-refused');
      expect(JSON.stringify([error.message, error.found, error.hint, error.defects])).not.toContain(
        secret,
      );
      expect([...rules, title]).not.toEqual([]);
    },
  );

  it.each(['\r\n', '\n'])('finds a private key whose lines end in %j', async (end) => {
    expect(await found(pem.replaceAll('\n', end))).toEqual(['secret-private-key']);
  });

  it('finds one in a large member of a tar and in its headers, and reads the member once', async () => {
    const large = Buffer.alloc(2 * MIB, ' ');
    large.write(pem, MIB);
    const tar = tarOf({ path: 'a.txt', data: large.toString() }, { path: 'b.txt', data: 'x' });
    const comment = tarEntry(paxHeader({ comment: `hf_${'a'.repeat(40)}` }));
    const held = Buffer.concat([comment, tar]);
    let read = 0;
    const said: string[] = [];
    const bytes = memoryBytes(held);
    await examineContent(
      {
        size: bytes.size,
        read: async (offset, length) => {
          const part = await bytes.read(offset, length);
          read += part.length;
          return part;
        },
      },
      {
        name: 'files.tar',
        signal: new AbortController().signal,
        report: (rule, detail) => void said.push(`${rule}: ${detail}`),
        visit: async (content, _, report) => {
          for (const rule of await findSecrets(content)) report(rule, 'found');
        },
      },
    );
    expect(said).toEqual([
      'secret-private-key: "a.txt": found',
      'secret-hugging-face-token: found',
    ]);
    expect(read).toBeLessThan(2 * held.length);
  });

  it.each([-1000, -64, -1, 0, 1])(
    'finds one that lies %i bytes from where two reads meet',
    async (shift) => {
      const bytes = Buffer.alloc(MIB + 4096, ' ');
      bytes.write(pem, MIB + shift);
      expect(await findSecrets(memoryBytes(bytes))).toEqual(['secret-private-key']);
    },
  );

  const harmless: readonly [string, string][] = [
    ['a public key', publicKey.export({ type: 'spki', format: 'pem' }).toString()],
    ['the words alone', '-----BEGIN PRIVATE KEY-----\n(put yours here)\n'],
    ['a short placeholder', 'HF_TOKEN=hf_your_token'],
    [
      'a Docker configuration without a login',
      '{"auths": {"registry.example": {}}, "credsStore": "secretservice"}',
    ],
    ['a .netrc in prose', 'a machine with a login and a password'],
    ['the head of a web token', 'eyJhbGciOiJIUzI1NiJ9'],
    ['nothing', ''],
  ];
  it.each(harmless)('accepts %s', async (_, text) => {
    expect(await found(text)).toEqual([]);
  });
});

describe('when a folder of files contains secrets', () => {
  const FOLDER = { name: 'certs', source: './certs', kind: 'tree', path: 'certs' } as const;

  /** The findings of a lock with one folder, packed as this tar. */
  function findingsOf(tar: Buffer, ...allowed: readonly string[]): Promise<Finding[]> {
    const allow = allowed.map((file) => ({
      rule: 'secret-private-key',
      file,
      reason: 'a test key',
    }));
    return examineLock({
      manifest: checkDocument(manifestKind, {
        ...{ apiVersion: 'stowage/v1', name: 'chat', version: '1.0.0' },
        files: [{ name: 'certs', source: './certs', ...(allow.length === 0 ? {} : { allow }) }],
      }),
      models: [],
      files: [{ ...FOLDER, digest: digestOf(tar), size: tar.length }],
      signal: new AbortController().signal,
      open: (_, __, work) => work(memoryBytes(tar), false),
    });
  }
  const refused = (tar: Buffer, ...allowed: readonly string[]) =>
    expectCode(() => findingsOf(tar, ...allowed), 'content-refused');
  const two = tarOf({ path: 'tls/a.pem', data: pem }, { path: 'b.pem', data: pem });
  const zipped = writeZip([{ name: 'c.pem', content: Buffer.from(pem) }]);

  it('counts each once', async () => {
    const { defects } = await refused(two);
    expect(defects).toEqual([
      expect.stringContaining('"b.pem": it contains'),
      expect.stringContaining('"tls/a.pem": it contains'),
    ]);
  });

  it('counts one that a zip file stores as it is once', async () => {
    const said: string[] = [];
    await examineContent(memoryBytes(zipped), {
      name: 'k.zip',
      signal: new AbortController().signal,
      report: (rule, detail) => void said.push(`${rule}: ${detail}`),
      visit: async (content, _, report) => {
        for (const rule of await findSecrets(content)) report(rule, 'found');
      },
    });
    expect(said).toEqual(['secret-private-key: "c.pem": found']);
  });

  it.each([
    ['the folder', ['certs']],
    ['its files by their paths', ['tls/a.pem', 'b.pem']],
    ['its files by paths with its name', ['certs/tls/a.pem', 'certs/b.pem']],
    ['its files by a glob', ['*.pem']],
  ])('accepts them if the manifest allows %s', async (_, allowed) => {
    const findings = await findingsOf(two, ...allowed);
    expect(findings.map((each) => each.allowed)).toEqual(['a test key', 'a test key']);
  });

  it('still refuses a file that the manifest does not allow', async () => {
    const { defects } = await refused(two, 'tls/a.pem');
    expect(defects).toEqual([expect.stringContaining('"b.pem"')]);
  });

  it('still refuses one behind more than 200 that are allowed, and one of the same shown name', async () => {
    const many = Array.from({ length: 201 }, (_, index) => ({ path: `ok/${index}`, data: pem }));
    const last = tarOf(...many, { path: 'last.pem', data: pem });
    expect((await refused(last, 'ok/*')).defects).toEqual([expect.stringContaining('"last.pem"')]);
    // Messages show the first 120 characters of each name.
    const long = (end: string): string => `${'folder/'.repeat(18)}${end}`;
    const entry = (path: string): Buffer =>
      Buffer.concat([tarEntry(paxHeader({ path })), tarEntry({ path: 'short', data: pem })]);
    const alike = Buffer.concat([entry(long('a')), entry(long('b')), endOfTar]);
    await refused(alike, long('a'));
  });

  it('still refuses one in the headers of the tar', async () => {
    const comment = tarEntry(paxHeader({ comment: `hf_${'a'.repeat(40)}` }));
    await refused(Buffer.concat([comment, two]), '*.pem');
  });
});
