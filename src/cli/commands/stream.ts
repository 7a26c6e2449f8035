import { join } from 'node:path';
import { isNoticeFolder } from '../../bundle/notice/read-notice.ts';
import { writeNoticeStream } from '../../bundle/stream/notice-stream.ts';
import { type Sink, writeStream } from '../../bundle/stream/write-stream.ts';
import type { StowageEvent } from '../../core/context.ts';
import { StowageError } from '../../core/error.ts';
import { formatBytes } from '../../core/text.ts';
import { noticeName } from '../../format/notice.ts';
import { namesIn } from '../../io/file.ts';
import { type CommandContext, type CommandResult, type Screen, usage } from '../command.ts';
import {
  type IncrementOptions,
  incrementJson,
  incrementLines,
  leftOut,
  readReceivers,
} from './increment.ts';
import { openBundle } from './open-bundle.ts';
import { streamToPath } from './stream-output.ts';

export interface StreamOptions extends IncrementOptions {
  readonly output?: string;
}

/** Writes a bundle or a notice as a tar stream to stdout, a tape or a pipe. With stdout, the result goes to stderr. */
export async function stream(
  place: string,
  options: StreamOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { stdout } = context.terminal;
  if (options.output === undefined && stdout.isTTY === true)
    throw usage(
      'stdout is a terminal',
      'a pipe, or --output FILE',
      'a terminal',
      'write the stream to a file or a tape with --output, or pipe it into stowage import - at the site',
    );
  const folder = context.path(place);
  if (await isNoticeFolder(folder)) return streamNotice(folder, place, options, context);
  const sites = await readReceivers(options, context);
  const opened = await openBundle(context.path(place));
  const increment = leftOut(opened.bundle, options, sites, context);
  const source = increment === undefined ? opened : { ...opened, omitted: increment.omitted };
  if (![...source.files.keys()].some((path) => path.startsWith('signatures/')))
    context.emit(unsigned('bundle', place));
  const bytes =
    options.output === undefined
      ? await toStdout(stdout, (sink) => writeStream(source, sink, context))
      : await streamToPath(context.path(options.output), (sink) =>
          writeStream(source, sink, context),
        );
  await sites?.recordUsed();
  const { bundle, id } = source;
  return {
    json: {
      ...{ name: bundle.name, version: bundle.version, seq: bundle.seq, id, bytes },
      ...incrementJson(increment, sites),
    },
    text: [
      `${bundle.name} ${bundle.version}: wrote ${formatBytes(bytes)}`,
      ...incrementLines(increment, sites),
      `  SHA-512 of SHA512SUMS: ${id}\n`,
    ].join('\n'),
    onStderr: options.output === undefined,
  };
}

async function streamNotice(
  folder: string,
  place: string,
  { output, for: receipts }: StreamOptions,
  context: CommandContext,
): Promise<CommandResult> {
  if (receipts.length > 0)
    throw usage('--for needs a bundle', 'a bundle, or no --for', 'a notice, which has no parts');
  if ((await namesIn(join(folder, 'signatures'))).length === 0)
    context.emit(unsigned('notice', place));
  const write = (sink: Sink): ReturnType<typeof writeNoticeStream> =>
    writeNoticeStream(folder, sink);
  const { notice, id, bytes } =
    output === undefined
      ? await toStdout(context.terminal.stdout, write)
      : await streamToPath(context.path(output), write);
  const { issuer, serial } = notice;
  return {
    json: { issuer, serial, id, bytes },
    text: `${noticeName(notice)}: wrote ${formatBytes(bytes)}\n  SHA-512 of SHA512SUMS: ${id}\n`,
    onStderr: output === undefined,
  };
}

function unsigned(what: 'bundle' | 'notice', place: string): StowageEvent {
  return {
    type: 'warning',
    message: `the ${what} is not signed, and no site will accept it`,
    hint: `run stowage sign ${place} --key KEY --certificate CERTIFICATE`,
  };
}

async function toStdout<T>(stdout: Screen, run: (sink: Sink) => Promise<T>): Promise<T> {
  let failure: Error | undefined;
  const fail = (error: Error): void => {
    failure ??= error;
  };
  stdout.on('error', fail);
  try {
    return await run(async (bytes) => {
      await new Promise<void>((resolve, reject) => {
        stdout.write(bytes, (error) => (error == null ? resolve() : reject(closed(error))));
      });
      if (failure !== undefined) throw closed(failure);
    });
  } finally {
    stdout.off('error', fail);
  }
}

function closed(cause: Error): StowageError {
  return new StowageError('io-failed', 'the reader closed the stream', {
    expected: 'a reader that reads to the end',
    found: cause.message,
    hint: 'check the error on the receiving side, then run both again; completed parts are kept',
    cause,
  });
}
