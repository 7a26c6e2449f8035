import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Pickles by name, written by the machine's own Python. */
export function pythonPickles(): ReadonlyMap<string, Buffer> {
  const text = execFileSync('python3', [join(import.meta.dirname, 'pickles.py')], {
    encoding: 'utf8',
  });
  const found = Object.entries(JSON.parse(text) as Record<string, string>);
  return new Map(found.map(([name, bytes]) => [name, Buffer.from(bytes, 'base64')]));
}
