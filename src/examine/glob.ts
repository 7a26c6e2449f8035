import picomatch from 'picomatch';

/** Returns a test whether a path matches any of the globs of an allowance. A glob without a slash matches names at any depth. */
export function globMatcher(globs: readonly string[]): (path: string) => boolean {
  const matchers = globs.map((glob) =>
    picomatch(glob, { dot: true, matchBase: !glob.includes('/') }),
  );
  return (path) => matchers.some((matches) => matches(path));
}

/** A Hub glob that matches only this path. */
export function exactGlob(path: string): string {
  return path.replace(/[[*?]/g, '[$&]');
}

/** One element of a Hub glob: matches any number of characters (`*`), or one that `has` accepts. */
type Token = '*' | { readonly has: (character: string) => boolean };

/**
 * Returns a test whether a path matches a glob as `huggingface_hub` reads it (`filter_repo_objects`): Python's
 * `fnmatchcase` on the whole path, where `*` also matches slashes. `folder/` matches everything in the folder, and a
 * backslash is a slash.
 */
export function hubMatcher(glob: string): (path: string) => boolean {
  const slashes = glob.replaceAll('\\', '/');
  const tokens = tokensOf(slashes.endsWith('/') ? `${slashes}*` : slashes);
  return (path) => matches(tokens, [...path.replaceAll('\\', '/')]);
}

function tokensOf(glob: string): Token[] {
  const characters = [...glob];
  const tokens: Token[] = [];
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at];
    const end = character === '[' ? setEnd(characters, at) : undefined;
    if (character === '*') tokens.push('*');
    else if (character === '?') tokens.push({ has: () => true });
    else if (end === undefined) tokens.push({ has: (found) => found === character });
    else {
      tokens.push({ has: setOf(characters.slice(at + 1, end)) });
      at = end;
    }
  }
  return tokens;
}

/** The position of the bracket that closes a set; the first character of a set can be a closing bracket. */
function setEnd(characters: readonly string[], start: number): number | undefined {
  const first = characters[start + 1] === '!' ? start + 2 : start + 1;
  const end = characters.indexOf(']', first + 1);
  return end < 0 ? undefined : end;
}

/** `abc`, `a-z`, `!a-z`. A hyphen at either end is a hyphen, and a range that runs backwards contains nothing. */
function setOf(content: readonly string[]): (character: string) => boolean {
  const negated = content[0] === '!';
  const members = negated ? content.slice(1) : content;
  const ranges: (readonly [number, number])[] = [];
  for (let at = 0; at < members.length; ) {
    const from = members[at]?.codePointAt(0) ?? 0;
    const isRange = members[at + 1] === '-' && at + 2 < members.length;
    ranges.push([from, isRange ? (members[at + 2]?.codePointAt(0) ?? 0) : from]);
    at += isRange ? 3 : 1;
  }
  return (character) => {
    const code = character.codePointAt(0) ?? 0;
    return ranges.some(([from, to]) => from <= code && code <= to) !== negated;
  };
}

/** Matches in at most `tokens x characters` steps: only the last `*` is ever extended. */
function matches(tokens: readonly Token[], characters: readonly string[]): boolean {
  let token = 0;
  let star: { readonly token: number; at: number } | undefined;
  for (let at = 0; at < characters.length || token < tokens.length; ) {
    const current = tokens[token];
    if (current === '*') {
      star = { token, at };
      token += 1;
    } else if (current?.has(characters[at] ?? '') === true && at < characters.length) {
      token += 1;
      at += 1;
    } else {
      if (star === undefined || star.at >= characters.length) return false;
      star.at += 1;
      at = star.at;
      token = star.token + 1;
    }
  }
  return true;
}

/** The globs of a selection that match none of the listed paths. */
export function unmatchedGlobs(
  selection: Readonly<Record<'include' | 'exclude', readonly string[]>>,
  listed: readonly string[],
): { readonly what: 'include' | 'exclude'; readonly glob: string }[] {
  return (['include', 'exclude'] as const).flatMap((what) =>
    selection[what]
      .filter((glob) => !listed.some(hubMatcher(glob)))
      .map((glob) => ({ what, glob })),
  );
}
