import type { FileSystem, HostProbe, Listening } from '../../src/target/host/host-probe.ts';

/** A host made of what a test says; it has nothing else. */
export interface FakeHost {
  /** Texts by their paths. */
  readonly files?: Readonly<Record<string, string>>;
  /** Where links lead, by their paths. */
  readonly links?: Readonly<Record<string, string>>;
  /** What programs print, or why they print nothing, by their names. */
  readonly programs?: Readonly<
    Record<string, { readonly printed: string } | { readonly why: string }>
  >;
  readonly fileSystem?: (path: string) => FileSystem;
  /** By `address:port`; free unless it says otherwise. */
  readonly listening?: Readonly<Record<string, Listening>>;
}

const GIB = 2 ** 30;

export function fakeHost(values: FakeHost = {}): HostProbe {
  const { files = {}, links = {}, programs = {}, listening = {} } = values;
  const paths = [...Object.keys(files), ...Object.keys(links)];
  return {
    read: async (path) => files[path],
    list: async (path) => {
      const below = paths.filter((each) => each.startsWith(`${path}/`));
      return [...new Set(below.map((each) => each.slice(path.length + 1).split('/')[0] ?? ''))];
    },
    link: async (path) => links[path],
    fileSystem: async (path) =>
      values.fileSystem?.(path) ?? { id: '1', freeBytes: 1000 * GIB, freeFiles: 1_000_000 },
    listen: async (address, port) => listening[`${address}:${port}`] ?? 'free',
    run: async (program) => programs[program] ?? { why: `${program} is not installed` },
  };
}
