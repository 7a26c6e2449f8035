import { StowageError } from '../../core/error.ts';
import { counted } from '../../core/text.ts';
import { allParts, type Bundle } from '../../format/bundle.ts';
import type { Part } from '../../format/part.ts';
import type { TarEntry } from '../../io/tar-header.ts';
import { installerParts } from '../installers.ts';

/** Trust documents come before the index: they decide whose signatures count. */
export function isTrustFile(path: string): boolean {
  return path.startsWith('trust/');
}

/** The control files that follow the index in a stream, in its order. */
export function controlEntries({ control }: Bundle): TarEntry[] {
  return control
    .filter(({ path }) => !isTrustFile(path))
    .map(({ path, size }) => ({ path, size, executable: false }));
}

/** The parts that follow the control files in a stream: installers, those of blobs, recovery parts row by row. */
export function streamedParts(bundle: Bundle): { entry: TarEntry; part: Part }[] {
  const entryOf = (part: Part, executable: boolean): { entry: TarEntry; part: Part } => ({
    entry: { path: part.path, size: part.size, executable },
    part,
  });
  return [
    ...installerParts(bundle).map((part) => entryOf(part, true)),
    ...allParts(bundle).map((part) => entryOf(part, false)),
  ];
}

/** A `stream-refused` error: the tar differs from what `stowage stream` writes. */
export function streamRefused(expected: string, found: string): StowageError {
  return new StowageError(
    'stream-refused',
    'the stream was not written by stowage stream, or was changed',
    {
      expected,
      found,
      hint: 'pipe the output of stowage stream unchanged; if you did, find out what modifies it in transit',
    },
  );
}

/** A `stream-ended` error: the stream was cut off; finished parts are kept. */
export function streamEnded(expected: string, offset: number): StowageError {
  return new StowageError('stream-ended', 'the stream ended too early', {
    expected,
    found: `end of stream after ${counted(offset, 'byte')}`,
    hint: 'find out why the sending side stopped, then stream the bundle again; finished parts are not written again',
  });
}
