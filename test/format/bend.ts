/** A copy of a document with the member at a path (`models.0.name`) replaced, or removed for undefined. */
export function bend(document: object, path: string, value: unknown): object {
  const copy = structuredClone(document) as Record<string, unknown>;
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  let place = copy;
  for (const key of keys) {
    const below = place[key];
    if (typeof below !== 'object' || below === null) throw new Error(`no ${path} to bend`);
    place = below as Record<string, unknown>;
  }
  if (value !== undefined) place[last] = value;
  else if (Array.isArray(place)) place.splice(Number(last), 1);
  else delete place[last];
  return copy;
}

/** The path of every member of a document, at any depth. */
export function paths(value: unknown, prefix = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, below]) => {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    return [path, ...paths(below, path)];
  });
}
