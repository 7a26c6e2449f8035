import { generateKeyPairSync } from 'node:crypto';
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { Rule } from '../../src/format/finding.ts';
import { paxHeader, tarEntry, tarOf } from '../support/tar.ts';
import { unsafeWeights } from './unsafe-weights.ts';
import { writeZip, type ZipMember, type ZipShape } from './zip.ts';

/** A file that is refused, and the rule that stops it. */
export interface UnsafeFile {
  readonly title: string;
  readonly path: string;
  readonly rule: Rule;
  readonly bytes: Buffer;
}

const raw = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Writes the corpus. Nothing of it is kept: what is in it runs code where Python loads it. */
export function unsafeFiles(pickles: ReadonlyMap<string, Buffer>): UnsafeFile[] {
  const pickle = (name: string): Buffer => pickles.get(name) ?? Buffer.alloc(0);
  return [
    ...disguises(pickle),
    ...opcodes(pickle),
    ...zips(pickle('system-2')),
    ...containers(pickle),
    ...unsafeWeights(),
    ...texts(),
    ...standIns(),
  ];
}

type Pickle = (name: string) => Buffer;

function disguises(pickle: Pickle): UnsafeFile[] {
  const evil = pickle('system-2');
  const named = (title: string, path: string, bytes: Buffer): UnsafeFile => ({
    title,
    path,
    rule: 'pickle-global',
    bytes,
  });
  const torch = (member: Partial<ZipMember> = {}, shape: ZipShape = {}): Buffer =>
    writeZip(
      [
        { name: 'archive/data.pkl', content: evil, ...member },
        { name: 'archive/version', content: raw('3\n') },
      ],
      shape,
    );
  const magic = raw('\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.');
  return [
    ...[0, 1, 2, 3, 4, 5].map((each) =>
      named(`protocol ${each}`, 'model.pkl', pickle(`system-${each}`)),
    ),
    named('protocol 0 as a configuration', 'config.json', pickle('system-0')),
    named('protocol 1 as text', 'README.md', pickle('system-1')),
    named('as safetensors', 'model.safetensors', evil),
    named('as GGUF', 'model.gguf', evil),
    named('as .bin', 'pytorch_model.bin', evil),
    named('without protocol and memo', 'vocab.txt', raw("cos\nsystem\n(S'id'\ntR.")),
    named('optimized', 'a.ckpt', pickle('optimized')),
    named('an archive of PyTorch', 'model.pt', torch()),
    named(
      'under another name in it (CVE-2025-1889)',
      'model.pt',
      torch({ name: 'archive/config.p' }),
    ),
    named(
      'under a name of 300 bytes in it',
      'model.pt',
      torch({ name: `${'a'.repeat(200)}/${'b'.repeat(99)}` }),
    ),
    named('deflated', 'model.bin', torch({ deflate: true })),
    named('with sizes behind the data', 'model.bin', torch({ descriptor: true })),
    named('in zip64', 'model.bin', torch({ zip64: true }, { zip64: true })),
    named('in a zip with a comment', 'model.bin', torch({}, { comment: raw('a comment') })),
    named('in a zip as safetensors', 'model.safetensors', torch()),
    named('zip in zip', 'a.zip', writeZip([{ name: 'inner.zip', content: torch() }])),
    named('gzip', 'model.pkl.gz', gzipSync(evil)),
    named('zstd', 'model.pkl.zst', zstdCompressSync(evil)),
    named('zlib, as joblib writes it', 'model.joblib', deflateSync(evil, { level: 3 })),
    named('zlib by Python', 'model.joblib', pickle('zlib')),
    named('gzip of gzip', 'x', gzipSync(gzipSync(evil))),
    named(
      'a tar of PyTorch of old',
      'model.pt',
      tarOf(
        { path: 'sys_info', data: 'a' },
        { path: 'pickle', data: pickle('system-0').toString('latin1') },
        { path: 'storages', data: 'b' },
      ),
    ),
    named(
      'PyTorch before zip',
      'model.pth',
      Buffer.concat([magic, raw('\x80\x02M\xe9\x03.'), raw('\x80\x02}.'), evil, raw('\x80\x02].')]),
    ),
    named('behind a harmless pickle', 'model.pkl', Buffer.concat([pickle('data-2'), evil])),
    named('objects in a NumPy file', 'a.npy', npy("'|O'", evil)),
    named(
      'a structure of objects in a NumPy file',
      'a.npy',
      npy("[('a', '<f4'), ('b', '|O')]", evil),
    ),
    named(
      'objects in an .npz',
      'a.npz',
      writeZip([{ name: 'arr_0.npy', content: npy("'|O'", evil), deflate: true }]),
    ),
    named('in a GGUF that is a pickle too', 'model.gguf', polyglot()),
    { title: 'plain data', path: 'model.pkl', rule: 'pickle', bytes: pickle('data-4') },
    { title: 'plain data of old', path: 'x.bin', rule: 'pickle', bytes: pickle('ordered-2') },
  ];
}

/** Python passes over the head of GGUF as a float and two texts, and comes to what stands in its first key. */
function polyglot(): Buffer {
  const head = Buffer.alloc(33);
  head.write('GGUF\x03', 'latin1');
  head.write('X\x02', 9, 'latin1');
  head.write('X\x03', 16, 'latin1');
  head.write('X\x03', 24, 'latin1');
  return Buffer.concat([head.subarray(0, 32), raw("cos\nsystem\n(S'id'\ntR."), Buffer.alloc(100)]);
}

function npy(type: string, data: Buffer): Buffer {
  const header = `{'descr': ${type}, 'fortran_order': False, 'shape': (1,), }`
    .padEnd(117)
    .concat('\n');
  const length = Buffer.from(Uint16Array.of(header.length).buffer);
  return Buffer.concat([raw('\x93NUMPY\x01\x00'), length, raw(header), data]);
}

function opcodes(pickle: Pickle): UnsafeFile[] {
  const file = (title: string, rule: Rule, text: string | Buffer): UnsafeFile => ({
    title,
    path: 'model.pkl',
    rule,
    bytes: typeof text === 'string' ? raw(text) : text,
  });
  return [
    ...['popen', 'eval', 'getattr', 'runpy'].map((each) =>
      file(each, 'pickle-global', pickle(each)),
    ),
    file(
      'pip (CVE-2025-1716)',
      'pickle-global',
      '\x80\x02cpip\nmain\n](X\x07\0\0\0install' + 'X\x01\0\0\0ae\x85R.',
    ),
    file('INST', 'pickle-global', "(S'id'\nios\nsystem\n."),
    file('OBJ', 'pickle-global', "(cos\nsystem\nS'id'\no."),
    file('NEWOBJ', 'pickle-global', '\x80\x02csubprocess\nPopen\nU\x02id\x85\x81.'),
    file('NEWOBJ_EX', 'pickle-global', '\x80\x04csubprocess\nPopen\n\x8c\x02id\x85}\x92.'),
    file(
      'STACK_GLOBAL by the memo',
      'pickle-global',
      '\x80\x04\x8c\x02os\x940\x8c\x06system\x940h\x00h\x01\x93\x8c\x02id\x85R.',
    ),
    file(
      'STACK_GLOBAL by a memo written over',
      'pickle-global',
      '\x80\x04\x8c\x04jsonq\x000\x8c\x02osq\x000h\x00\x8c\x06system\x93\x8c\x02id\x85R.',
    ),
    file(
      'STACK_GLOBAL of what it made',
      'pickle-global-unknown',
      '\x80\x04cbuiltins\nstr\n\x8c\x02os\x85R\x8c\x06system\x93\x8c\x02id\x85R.',
    ),
    file('STACK_GLOBAL of a number', 'pickle-global-unknown', '\x80\x04K\x01K\x02\x93.'),
    file('EXT1', 'pickle-extension-code', '\x80\x02\x82\x01)R.'),
    file('EXT2', 'pickle-extension-code', '\x80\x02\x83\x01\x01)R.'),
    file('EXT4', 'pickle-extension-code', '\x80\x02\x84\x01\x01\x01\x01)R.'),
    file('PERSID', 'pickle-persistent-id', '\x80\x02Pstorage\n0N.'),
    file('BINPERSID', 'pickle-persistent-id', '\x80\x02X\x07\0\0\0storageQ.'),
    file('a call of what it made', 'pickle-call', '\x80\x02cbuiltins\nlist\n)R)R.'),
    file(
      'attributes of a function',
      'pickle-call',
      '\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}b.',
    ),
    file(
      'another codec',
      'pickle-call',
      '\x80\x02c_codecs\nencode\nX\x01\0\0\0aX\x05\0\0\0rot13\x86R.',
    ),
    file('without an end (nullifAI)', 'pickle-broken', pickle('system-4').subarray(0, -1)),
    file(
      'that breaks off after it ran',
      'pickle-broken',
      Buffer.concat([pickle('system-4').subarray(0, -1), raw('\xff\xff')]),
    ),
    file('that pops more than there is', 'pickle-broken', '\x80\x04}0000.'),
    file('of protocol 9', 'pickle-broken', '\x80\x04}\x80\x09.'),
    file('that gets what was never put', 'pickle-broken', '\x80\x02]h\x07a.'),
    file('with text of 4 GB that is not there', 'pickle-broken', '\x80\x02]X\xff\xff\xff\xffabc'),
    file(
      'with bytes behind it',
      'pickle-trailing',
      Buffer.concat([pickle('data-4'), raw('\x00hidden')]),
    ),
  ];
}

function zips(evil: Buffer): UnsafeFile[] {
  const file = (title: string, rule: Rule, bytes: Buffer): UnsafeFile => ({
    title,
    path: 'model.bin',
    rule,
    bytes,
  });
  const plain: ZipMember = { name: 'archive/data.pkl', content: evil };
  const one = (member: Partial<ZipMember>, shape: ZipShape = {}): Buffer =>
    writeZip([{ ...plain, ...member }], shape);
  const whole = writeZip([plain]);
  return [
    file(
      'a zip whose local name differs (CVE-2025-1944)',
      'zip-inconsistent',
      one({ localName: 'archive/data.txt' }),
    ),
    file('a zip whose flags differ (CVE-2025-1945)', 'zip-inconsistent', one({ localFlags: 0x20 })),
    file('a zip whose CRC is wrong (CVE-2025-10156)', 'zip-checksum', one({ crc: 1 })),
    file('a deflated member whose CRC is wrong', 'zip-checksum', one({ crc: 1, deflate: true })),
    file('a deflated member of another size', 'zip-checksum', one({ size: 5, deflate: true })),
    file('a stored member of another size', 'zip-inconsistent', one({ size: 5 })),
    file('a zip that claims encryption', 'zip-encrypted', one({ flags: 1 })),
    file(
      'a zip behind other bytes',
      'zip-prefixed',
      writeZip([plain], { prefix: raw('#!/bin/sh\n') }),
    ),
    file(
      'a zip behind other bytes that its offsets leave out',
      'zip-prefixed',
      writeZip([plain], { prefix: raw('#!/bin/sh\n'), adjusted: false }),
    ),
    file('a zip without its end', 'zip-inconsistent', whole.subarray(0, -30)),
    file(
      'a zip with two ends',
      'zip-inconsistent',
      Buffer.concat([whole.subarray(0, -2), raw('\x16\0'), whole.subarray(-22)]),
    ),
    file(
      'a zip with bytes between its members',
      'zip-inconsistent',
      writeZip([plain, { name: 'b', content: raw('b') }], { gap: Buffer.alloc(40, 'x') }),
    ),
    file('a zip with two members of one name', 'zip-inconsistent', writeZip([plain, plain])),
    file(
      'members over one another (42.zip, better)',
      'archive-bomb',
      writeZip([plain, { ...plain, name: 'b' }], { overlap: true }),
    ),
    file(
      'a bomb of zeros',
      'archive-bomb',
      writeZip(
        Array.from({ length: 40 }, (_, each) => ({
          name: `${each}`,
          content: Buffer.alloc(4_000_000),
          deflate: true,
        })),
      ),
    ),
    file('a member by bzip2', 'archive-opaque', one({ method: 12 })),
    file('a member that leads out', 'archive-path', one({ name: '../../etc/cron.d/x' })),
    file('a member of an absolute path', 'archive-path', one({ name: '/etc/passwd' })),
    file('a member that is a link', 'archive-link', one({ mode: 0o120777 })),
    file(
      'zips nested six deep',
      'archive-nested',
      [1, 2, 3, 4, 5].reduce((inner) => writeZip([{ name: 'x.zip', content: inner }]), whole),
    ),
  ];
}

function containers(pickle: Pickle): UnsafeFile[] {
  const file = (title: string, path: string, rule: Rule, bytes: Buffer): UnsafeFile => ({
    title,
    path,
    rule,
    bytes,
  });
  const tar = (title: string, rule: Rule, bytes: Buffer): UnsafeFile =>
    file(title, 'a.nemo', rule, bytes);
  return [
    file('bzip2', 'a.pkl.bz2', 'archive-opaque', pickle('bz2')),
    file('xz', 'a.pkl.xz', 'archive-opaque', pickle('xz')),
    file('LZMA', 'a.joblib', 'archive-opaque', pickle('lzma')),
    file(
      '7-Zip (nullifAI)',
      'pytorch_model.bin',
      'archive-opaque',
      raw("7z\xbc\xaf'\x1c\x00\x04aaaaaaaaaaaaaaaa"),
    ),
    file('RAR', 'x.bin', 'archive-opaque', raw('Rar!\x1a\x07\x01\x00aaaaaaaa')),
    file('a bomb in gzip', 'x.gz', 'archive-bomb', gzipSync(Buffer.alloc(50_000_000))),
    file('a bomb in zstd', 'x.zst', 'archive-bomb', zstdCompressSync(Buffer.alloc(50_000_000))),
    file(
      'gzip cut short',
      'x.gz',
      'archive-cut',
      gzipSync(Buffer.from(pickle('ordered-4'))).subarray(0, -12),
    ),
    tar('a tar with a link', 'archive-link', tarOf({ path: 'a', type: '2', link: '/etc/passwd' })),
    tar(
      'a tar with a hard link',
      'archive-link',
      tarOf({ path: 'a', type: '1', link: '/etc/passwd' }),
    ),
    tar('a tar with a device', 'archive-device', tarOf({ path: 'a', type: '3' })),
    tar('a tar with a pipe', 'archive-device', tarOf({ path: 'a', type: '6' })),
    tar('a tar that leads out', 'archive-path', tarOf({ path: '../a', data: 'x' })),
    tar(
      'a tar with two sizes',
      'tar-malformed',
      tarOf(paxHeader({ size: '2' }), { path: 'a', data: 'abc' }),
    ),
    tar(
      'a tar with a wrong checksum',
      'tar-malformed',
      tarOf({ path: 'a', data: 'x' }, { path: 'b', badChecksum: true }),
    ),
    tar(
      'a tar that is cut',
      'tar-malformed',
      tarEntry({ path: 'a', data: 'x'.repeat(600) }).subarray(0, 900),
    ),
    tar(
      'bytes behind a tar',
      'tar-trailing',
      Buffer.concat([tarOf({ path: 'a', data: 'x' }), raw('hidden')]),
    ),
    file('an ELF program', 'kernel.so', 'native-code', raw('\x7fELF\x02\x01\x01'.padEnd(64, '\0'))),
    file(
      'a Windows program',
      'a.dll',
      'native-code',
      raw(`${'MZ'.padEnd(60, '\0')}\x40\0\0\0PE\0\0`),
    ),
    file(
      'a Lambda layer of Keras',
      'model.keras',
      'keras-lambda',
      writeZip([
        { name: 'config.json', content: raw('{"config": {"layers": [{"class_name": "Lambda"}]}}') },
      ]),
    ),
    file(
      'a tensor of ONNX outside the folder',
      'model.onnx',
      'onnx-path',
      raw('\x08\x07:\x20*\x1ej\x1c\x0a\x08location\x12\x10../../etc/passwd'),
    ),
    file(
      'an ONNX model that is cut short',
      'model.onnx',
      'onnx-malformed',
      raw('\x08\x07:\x20*\x1ej\x1c\x0a'),
    ),
    file('a NumPy file of another size', 'a.npy', 'npy-malformed', npy("'<f4'", Buffer.alloc(5))),
    file(
      'a NumPy file of another version',
      'a.npy',
      'npy-malformed',
      raw('\x93NUMPY\x09\x00aaaaaaaaaaaa'),
    ),
  ];
}

function texts(): UnsafeFile[] {
  const file = (title: string, path: string, rule: Rule, text: string): UnsafeFile => ({
    title,
    path,
    rule,
    bytes: Buffer.from(text),
  });
  const template = (title: string, code: string): UnsafeFile =>
    file(
      title,
      'tokenizer_config.json',
      'chat-template-unsafe',
      JSON.stringify({ chat_template: code }),
    );
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const x = (length: number): string => 'aB3'.repeat(length).slice(0, length);
  const body = `${x(64)}\n${x(64)}\n`;
  // Put together here, so that no scanner takes this file for a leak.
  const secret = (rule: Rule, title: string, ...parts: string[]): UnsafeFile =>
    file(title, 'notes.txt', rule, `before\n${parts.join('')}\nafter\n`);
  return [
    template(
      'a template that climbs to Python (CVE-2024-34359)',
      '{% for c in ().__class__.__base__.__subclasses__() %}{{ c }}{% endfor %}',
    ),
    template('a template by the filter attr', "{{ x|attr('y') }}"),
    template('a template by escapes', "{{ x['\\x5f\\x5fclass'] }}"),
    template('a template that puts underscores together', "{{ x['_' * 2 + 'class'] }}"),
    template('a template by a global', '{{ cycler.next }}'),
    template('a template that includes', "{% include '/etc/passwd' %}"),
    file(
      'one of several templates',
      'tokenizer_config.json',
      'chat-template-unsafe',
      JSON.stringify({
        chat_template: [
          { name: 'default', template: 'a' },
          { name: 'tool', template: '{{ self.__init__ }}' },
        ],
      }),
    ),
    file(
      'a template in a file',
      'additional_chat_templates/rag.jinja',
      'chat-template-unsafe',
      '{{ lipsum.x }}',
    ),
    secret('secret-private-key', 'a private key', pem),
    secret(
      'secret-private-key',
      'an OpenSSH key',
      '-----BEGIN OPENSSH ',
      'PRIVATE KEY-----\n',
      body,
    ),
    secret(
      'secret-private-key',
      'an encrypted key of old',
      '-----BEGIN RSA ',
      'PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n',
      body,
    ),
    secret(
      'secret-private-key',
      'a PuTTY key',
      'PuTTY-User-Key-',
      'File-3: ssh-ed25519\nEncryption: none\nPrivate-',
      'Lines: 1\nAAAA',
    ),
    secret(
      'secret-private-key',
      'a key in JSON',
      '"-----BEGIN ',
      `PRIVATE KEY-----\\n${x(64)}\\n"`,
    ),
    secret('secret-hugging-face-token', 'a Hub token', 'hf', `_${x(34)}`),
    secret('secret-github-token', 'a GitHub token', 'ghp', `_${x(36)}`),
    secret('secret-gitlab-token', 'a GitLab token', 'glpat', `-${x(20)}`),
    secret('secret-slack-token', 'a Slack token', 'xoxb', `-${x(30)}`),
    secret('secret-ngc-key', 'an NGC key', 'nvapi', `-${x(64)}`),
    secret('secret-aws-key', 'an AWS key', 'AKIA', 'A2B3'.repeat(4)),
    secret('secret-google-key', 'a Google key', 'AIza', x(35)),
    secret('secret-azure-key', 'an Azure key', 'AccountKey', `=${x(86)}==`),
    secret('secret-openai-key', "a provider's key", 'sk-proj', `-${x(40)}`),
    secret('secret-json-web-token', 'a web token', 'eyJ', `${x(20)}.eyJ${x(20)}.${x(30)}`),
    secret('secret-netrc', 'a .netrc', 'machine h', 'ub.example login me password hunter2'),
    secret(
      'secret-registry-login',
      'a Docker login',
      '{"auths": {"registry.example": {"au',
      `th": "${x(20)}"}}}`,
    ),
    secret(
      'secret-kubeconfig',
      'a kubeconfig',
      'users:\n- user:\n    client-key',
      `-data: ${x(80)}`,
    ),
  ];
}

const LFS =
  'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n';

/** What version control, servers and broken downloads leave in place of a file. */
function standIns(): UnsafeFile[] {
  const file = (title: string, path: string, rule: Rule, text: string): UnsafeFile => ({
    title,
    path,
    rule,
    bytes: raw(text),
  });
  const names = ['tokenizer.json', 'onnx/model.onnx', 'cl100k_base.tiktoken', 'model.safetensors'];
  return [
    ...[...names, 'model.gguf', 'pytorch_model.bin', 'notes.txt'].map((path) =>
      file(`a Git LFS pointer as ${path}`, path, 'file-pointer', LFS),
    ),
    file('an LFS pointer of Windows', 'a.gguf', 'file-pointer', LFS.replaceAll('\n', '\r\n')),
    file(
      'an LFS pointer of old',
      'a.bin',
      'file-pointer',
      LFS.replace('git-lfs.github', 'hawser.github'),
    ),
    {
      title: 'an LFS pointer in a tar',
      path: 'files.tar',
      rule: 'file-pointer',
      bytes: tarOf({ path: 'weights/tokenizer.json', data: LFS }),
    },
    file(
      'a pointer of git-annex',
      'model.gguf',
      'file-pointer',
      `/annex/objects/SHA256E-s12345--${'a'.repeat(64)}.gguf\n`,
    ),
    file(
      'the text of a git-annex link',
      'model.gguf',
      'file-pointer',
      `../.git/annex/objects/Xx/Yy/SHA256E-s12345--${'a'.repeat(64)}.gguf/SHA256E-s12345--${'a'.repeat(64)}.gguf`,
    ),
    file(
      'a pointer of Xet',
      'model.safetensors',
      'file-pointer',
      `# xet version 0\nfilesize = 12345\nhash = '${'b'.repeat(64)}'\n`,
    ),
    file('a link of a Hub cache', 'config.json', 'file-pointer', `../../blobs/${'c'.repeat(40)}`),
    file(
      'a sign-in page',
      'pytorch_model.bin',
      'file-error-page',
      '\n<!DOCTYPE html><html><title>Sign in</title>',
    ),
    file(
      'an XML error of S3',
      'model.onnx',
      'file-error-page',
      '<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>',
    ),
    file('a JSON error', 'a.tiktoken', 'file-error-page', '{"error":"Repository not found"}'),
    file('an error of the Hub', 'model.bin', 'file-error-page', 'Entry not found'),
    ...['model.safetensors', 'model.onnx', 'tokenizer.json', 'pytorch_model.bin'].map((path) =>
      file(`an empty ${path}`, path, 'file-empty', ''),
    ),
    file('a tokenizer cut short', 'tokenizer.json', 'file-cut', '{"version": "1.0", "model": {"vo'),
    file('an index cut short', 'model.safetensors.index.json', 'file-cut', '{"weight_map": {'),
    file('a vocabulary cut short', 'a.tiktoken', 'file-cut', 'IQ== 0\nIg== 1\nIw='),
  ];
}
