import picomatch from 'picomatch';

/** Whether a path matches one of these globs; one without a slash matches names at any depth, as on the Hub. */
export function globMatcher(globs: readonly string[]): (path: string) => boolean {
  const matchers = globs.map((glob) =>
    picomatch(glob, { dot: true, matchBase: !glob.includes('/') }),
  );
  return (path) => matchers.some((matches) => matches(path));
}
