import picomatch from 'picomatch';

/** Returns a test whether a path matches any of the globs. As on the Hub, a glob without a slash matches names at any depth. */
export function globMatcher(globs: readonly string[]): (path: string) => boolean {
  const matchers = globs.map((glob) =>
    picomatch(glob, { dot: true, matchBase: !glob.includes('/') }),
  );
  return (path) => matchers.some((matches) => matches(path));
}
