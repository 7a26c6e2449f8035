import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { throwawayAuthority } from '../../../src/trust/certificate-issue.ts';
import { decodePrivateKey, encodePrivateKey } from '../../../src/trust/key.ts';
import { personScreen, type Ran, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { makeAuthority, smallBundle } from '../../support/small-bundle.ts';

const SECRET = 'korrektes Pferd ü';
const scratch = scratchFolder();
const authority = makeAuthority();
const SERIALS = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)] as const;
let packed: string;
let place: string;

beforeAll(async () => {
  packed = (await smallBundle({ place: scratch.fresh(), authority })).folder;
  place = scratch.fresh();
  mkdirSync(place);
  writeFileSync(join(place, 'c.pem'), encodeCertificate(authority.signer.certificate));
  writeFileSync(join(place, 'k.pem'), quickToOpen(SECRET));
  writeFileSync(join(place, 'plain.pem'), encodePrivateKey(authority.signer.key));
});

/** The key as `openssl pkcs8` encrypts it, with a hundredth of the iterations of our own. */
function quickToOpen(passphrase: string, key = authority.signer.key): string {
  const form = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc' } as const;
  return key.export({ ...form, passphrase: Buffer.from(passphrase) }).toString();
}

const sign = (args: readonly string[], values: object = {}, key = 'k.pem'): Promise<Ran> => {
  const by = ['--key', key, '--certificate', 'c.pem', '--name', 'second'];
  return runProgram(['sign', scratch.copy(packed), ...by, ...args], place, values);
};

/** A file that holds this text. */
function file(text: string): string {
  const path = scratch.fresh();
  writeFileSync(path, text);
  return path;
}

/** Runs with this text waiting on a descriptor. */
async function withDescriptor(text: string, run: (number: string) => Promise<Ran>): Promise<Ran> {
  const descriptor = openSync(file(text), 'r');
  try {
    return await run(String(descriptor));
  } finally {
    closeSync(descriptor);
  }
}

/** Someone at a terminal, who types each line when the next question has been asked. */
function person(...lines: readonly string[]): {
  readonly values: { readonly stdin: Readable; readonly stderr: Readable };
  readonly modes: boolean[];
  shown(): string;
} {
  const modes: boolean[] = [];
  const stderr = personScreen();
  const keys = new PassThrough();
  const stdin = Object.assign(keys, {
    isTTY: true,
    setRawMode: (raw: boolean) => void modes.push(raw),
  });
  let shown = '';
  const left = [...lines];
  stderr.on('data', (chunk: Buffer) => {
    shown += chunk.toString();
    if (shown.endsWith(': ') && left.length > 0) keys.write(left.shift());
  });
  return { values: { stdin, stderr }, modes, shown: () => shown };
}

describe('when a passphrase comes from a file', () => {
  it.each([
    ['a line', `${SECRET}\n`],
    ['text without an end of line', SECRET],
    ['a line and more', `${SECRET}\nother\n`],
  ])('takes %s', async (_, text) => {
    expect((await sign(['--passphrase-file', file(text)])).status).toBe(0);
  });

  it.each([
    ['an empty file', ''],
    ['an empty line', `\n${SECRET}\n`],
    ['a wrong one', 'falsches Pferd\n'],
    ['one with a space more', `${SECRET} \n`],
    ['one that is too long', `${'x'.repeat(1025)}\n`],
  ])('refuses %s', async (_, text) => {
    const { error } = await sign(['--passphrase-file', file(text)]);
    expect(error?.code).toBe('key-invalid');
  });
});

describe('when a passphrase comes from a file descriptor', () => {
  it('reads its first line', async () => {
    const ran = await withDescriptor(`${SECRET}\nmore`, (number) =>
      sign(['--passphrase-fd', number]),
    );
    expect(ran.status).toBe(0);
  });

  it('reads stdin in chunks', async () => {
    const pieces = Readable.from([
      Buffer.from(SECRET.slice(0, 5)),
      Buffer.from(`${SECRET.slice(5)}\n`),
    ]);
    expect((await sign(['--passphrase-fd', '0'], { stdin: pieces })).status).toBe(0);
  });

  it('refuses an empty and a wrong passphrase', async () => {
    for (const text of ['', 'falsches Pferd\n']) {
      const ran = await withDescriptor(text, (number) => sign(['--passphrase-fd', number]));
      expect(ran.error?.code).toBe('key-invalid');
    }
    const empty = await sign(['--passphrase-fd', '0'], { stdin: Readable.from([]) });
    expect(empty.error?.code).toBe('key-invalid');
  });

  it('refuses a closed descriptor and two sources', async () => {
    expect((await sign(['--passphrase-fd', '99999'])).error?.code).toBe('usage-invalid');
    const both = await sign(['--passphrase-fd', '0', '--passphrase-file', file(SECRET)]);
    expect(both.error?.code).toBe('usage-invalid');
  });

  it('reads a shell pipe in a separate process', async () => {
    const main = new URL('../../../src/cli/main.ts', import.meta.url).pathname;
    // The process has the clock of this machine: so does this certificate.
    const { release } = throwawayAuthority('Example Agency', new Date(), SERIALS);
    writeFileSync(join(place, 'today.pem'), encodeCertificate(release.certificate));
    writeFileSync(join(place, 'today-k.pem'), quickToOpen(SECRET, release.key));
    const by = ['--key', 'today-k.pem', '--certificate', 'today.pem', '--name', 'second'];
    const args = [main, 'sign', scratch.copy(packed), ...by, '--passphrase-fd', '3'];
    const child = spawn(process.execPath, args, {
      cwd: place,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    await delay(300);
    (child.stdio[3] as PassThrough).write(`${SECRET}\n`);
    const [status] = await once(child, 'close');
    expect(output).not.toContain('Pferd');
    expect(status).toBe(0);
  });
});

describe('when the passphrase is typed', () => {
  it('signs without showing it', async () => {
    const { values, modes, shown } = person(`${SECRET}\r`);
    const ran = await sign([], values);
    expect(ran.status).toBe(0);
    expect(shown()).toBe('Passphrase for k.pem: \n');
    expect(modes).toEqual([true, false]);
  });

  it.each([
    ['a character and takes it back', `x\x7f${SECRET}\r`],
    ['a character of two bytes and takes it back', `${SECRET}ü\x7f\r`],
    ['nonsense and begins anew', `abc\x15${SECRET}\n`],
    ['more than there is', `x\x7f\x7f\x7f${SECRET}\r`],
  ])('lets them type %s', async (_, keys) => {
    expect((await sign([], person(keys).values)).status).toBe(0);
  });

  it.each([
    ['the wrong one', 'falsches Pferd\r', 'key-invalid'],
    ['nothing', '\r', 'key-invalid'],
    ['Ctrl-C', `${SECRET}\x03`, 'interrupted'],
    ['Ctrl-D', '\x04', 'interrupted'],
  ])('ends on %s, and echoes again', async (_, keys, code) => {
    const { values, modes, shown } = person(keys);
    const { error } = await sign([], values);
    expect(error?.code).toBe(code);
    expect(modes.at(-1)).toBe(false);
    expect(shown()).not.toContain('Pferd');
  });

  it('is not requested for an unencrypted key or with an option', async () => {
    const { values, modes } = person();
    expect((await sign([], values, 'plain.pem')).status).toBe(0);
    expect((await sign(['--passphrase-file', file(SECRET)], values)).status).toBe(0);
    expect(modes).toEqual([]);
  });

  it('fails without a terminal and names what is missing', async () => {
    const { error } = await sign([]);
    expect(error?.code).toBe('key-invalid');
    expect(error?.found).toBe('an encrypted key without a passphrase');
  });

  it('can be interrupted', async () => {
    const controller = new AbortController();
    const { values, modes } = person();
    values.stderr.on('data', () => controller.abort());
    const { error } = await sign([], { ...values, signal: controller.signal });
    expect(error?.code).toBe('interrupted');
    expect(modes).toEqual([true, false]);
  });
});

describe('when keys are created', () => {
  const pki = (args: readonly string[], values: object): { ran: Promise<Ran>; folder: string } => {
    const folder = scratch.fresh();
    return { ran: runProgram(['pki', folder, ...args], place, values), folder };
  };

  it('asks twice and encrypts both keys', async () => {
    const { values, shown } = person(`${SECRET}\r`, `${SECRET}\r`);
    const { ran, folder } = pki(['--encrypt'], values);
    expect((await ran).status).toBe(0);
    expect(shown()).toBe('Passphrase for the new keys: \nRepeat the passphrase: \n');
    for (const name of ['root', 'release']) {
      const pem = readFileSync(join(folder, `${name}.key.pem`), 'utf8');
      expect(() => decodePrivateKey(pem, Buffer.from(SECRET))).not.toThrow();
      expect(() => decodePrivateKey(pem)).toThrow();
    }
  });

  it('reads both lines if they are pasted at once', async () => {
    const { values } = person(`${SECRET}\r${SECRET}\r`);
    expect((await pki(['--encrypt'], values).ran).status).toBe(0);
  });

  it('refuses different and empty passphrases', async () => {
    const differ = await pki(['--encrypt'], person('a\r', 'b\r').values).ran;
    expect(differ.error?.found).toBe('two passphrases that differ');
    const empty = await pki(['--encrypt'], person('\r', '\r').values).ran;
    expect(empty.error?.code).toBe('key-invalid');
  });

  it('never writes unencrypted keys if no one can be asked', async () => {
    const { ran, folder } = pki(['--encrypt'], {});
    expect((await ran).error?.code).toBe('usage-invalid');
    expect(() => readFileSync(join(folder, 'root.key.pem'))).toThrow();
  });

  it('encrypts with a passphrase from a file', async () => {
    const { ran, folder } = pki(['--passphrase-file', file(SECRET)], {});
    expect((await ran).status).toBe(0);
    expect(readFileSync(join(folder, 'root.key.pem'), 'utf8')).toContain('ENCRYPTED');
  });
});

describe('when a passphrase is given', () => {
  it.each([
    ['right', SECRET, 'k.pem'],
    ['wrong', `${SECRET}x`, 'k.pem'],
    ['too long', SECRET.repeat(80), 'k.pem'],
    ['not needed', SECRET, 'plain.pem'],
    ['of a file that is no key', SECRET, 'c.pem'],
  ])('appears in no output, if it is %s', async (_, secret, key) => {
    for (const json of [[], ['--json']]) {
      const typed = person(`${secret}\r`);
      const all = [
        await sign(['--passphrase-file', file(secret), ...json], {}, key),
        await withDescriptor(secret, (number) =>
          sign(['--passphrase-fd', number, ...json], {}, key),
        ),
        await sign(json, typed.values, key),
      ];
      const said = all.flatMap(({ stdout, stderr, error, result }) => [
        stdout,
        stderr,
        JSON.stringify([error, error?.message, error?.stack, result]),
      ]);
      for (const text of [...said, typed.shown()]) expect(text).not.toContain('Pferd');
    }
  });
});
