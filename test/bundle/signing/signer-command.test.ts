import { existsSync, writeFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBundle } from '../../../src/bundle/signing/sign-elsewhere.ts';
import {
  runSignerCommand,
  type SignerCommandOptions,
} from '../../../src/bundle/signing/signer-command.ts';
import type { SigningRequest } from '../../../src/format/signing-request.ts';
import { packedAt } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder();
let request: SigningRequest;

beforeAll(async () => {
  const { folder, signer } = await smallBundle({ place: scratch.fresh(), images: false });
  ({ request } = await prepareBundle(folder, 'token', signer, packedAt));
});

/** Runs a line of sh, with what it said on stderr. */
async function run(
  script: string,
  args: readonly string[] = [],
  changes: Partial<SignerCommandOptions> = {},
): Promise<{ readonly signature: string; readonly said: string }> {
  let said = '';
  const stderr = new Writable({
    write(chunk: Buffer, _, done) {
      said += chunk.toString();
      done();
    },
  });
  const options = {
    env: { PATH: process.env['PATH'] },
    signal: new AbortController().signal,
    timeoutMs: 10_000,
    stderr,
    ...changes,
  };
  const command = { program: '/bin/sh', args: ['-c', script, 'sh', ...args] };
  const signature = await runSignerCommand(request, command, options);
  return { signature: signature.toString('latin1'), said };
}

describe('when a program signs', () => {
  it('receives the bytes to sign', async () => {
    const bytes = Buffer.from(request.toBeSigned, 'base64').toString('latin1');
    expect((await run('cat')).signature).toBe(bytes);
  });

  it('receives the algorithm, the digest and the bundle', async () => {
    const script =
      'echo $STOWAGE_SIGN_ALGORITHM $STOWAGE_SIGN_DIGEST_ALGORITHM $STOWAGE_SIGN_DIGEST $STOWAGE_SIGN_BUNDLE';
    const { algorithm, digest, bundle } = request;
    expect((await run(script)).signature).toBe(
      `${algorithm} ${digest.algorithm} ${digest.value} ${bundle}\n`,
    );
  });

  it('receives its arguments unchanged, without a shell', async () => {
    const argument = '$(id); `id` "*" \'';
    expect((await run('printf %s "$1"', [argument])).signature).toBe(argument);
  });

  it('returns every byte of its output', async () => {
    const { signature } = await run('printf "\\000\\377\\200\\012\\303"');
    expect(Buffer.from(signature, 'latin1')).toEqual(Buffer.from([0, 255, 128, 10, 195]));
  });

  it('forwards its stderr, and keeps it out of the signature', async () => {
    expect(await run('echo touch the token >&2; printf ok')).toEqual({
      signature: 'ok',
      said: 'touch the token\n',
    });
  });

  it('may ignore its stdin', async () => {
    expect((await run('exec <&-; sleep 0.1; printf ok')).signature).toBe('ok');
  });
});

describe('when a program does not sign', () => {
  it.each([
    ['fails', 'exit 7', 'exit status 7'],
    ['says nothing', 'true', 'exit status 0 but no signature'],
    ['is killed', 'kill -9 $$', 'killed by SIGKILL'],
    ['says far too much', 'while :; do echo xxxxxxxxxxxxxxxxxxxxxx; done', 'more than 65536 bytes'],
  ])('says so of one that %s', async (_, script, found) => {
    const error = await expectCode(() => run(script), 'key-invalid');
    expect(error.found).toBe(found);
  });

  it('names no argument in its error, since it may be a PIN', async () => {
    const error = await expectCode(() => run('exit 1', ['--pin', '648219']), 'key-invalid');
    const { message, expected, found, hint, stack } = error;
    expect(JSON.stringify([message, expected, found, hint, stack])).not.toContain('648219');
  });

  it('stops it after the timeout', async () => {
    const error = await expectCode(
      () => run('exec sleep 60', [], { timeoutMs: 200 }),
      'key-invalid',
    );
    expect(error.found).toBe('still running after 0.2 seconds');
  });

  it('kills one that ignores SIGTERM', async () => {
    const script = 'trap "" TERM; while :; do sleep 0.1; done';
    await expectCode(() => run(script, [], { timeoutMs: 200 }), 'key-invalid');
  });

  it('stops it when the user interrupts', async () => {
    const controller = new AbortController();
    const ready = scratch.fresh();
    const ran = run(`touch ${ready}; exec sleep 60`, [], { signal: controller.signal });
    const watch = setInterval(() => existsSync(ready) && controller.abort(), 20);
    await expectCode(() => ran, 'interrupted');
    clearInterval(watch);
    await expectCode(() => run('true', [], { signal: controller.signal }), 'interrupted');
  });

  it.each([
    ['is not there', () => '/nonexistent/signer', 'ENOENT'],
    [
      'may not be executed',
      () => {
        const file = scratch.fresh();
        writeFileSync(file, '#!/bin/sh\n', { mode: 0o644 });
        return file;
      },
      'EACCES',
    ],
  ])('says so of one that %s', async (_, program, found) => {
    const options = {
      env: {},
      signal: new AbortController().signal,
      timeoutMs: 1000,
      stderr: new Writable(),
    };
    const error = await expectCode(
      () => runSignerCommand(request, { program: program(), args: [] }, options),
      'host-unfit',
    );
    expect(error.found).toBe(found);
  });
});
