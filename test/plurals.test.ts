import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { counted } from '../src/core/text.ts';

/** Nouns that messages count. */
const NOUNS =
  'bytes|nodes|objects|layers|signatures|manifests|digests|rights|files|parts|replicas|pods|charts|days|tensors|characters|discs|columns|blocks|links|services|releases|models|images|certificates|members|fields|entries|kinds|documents|tokens|rows|packages|lines|requests|steps|checks|prompts|questions|sites|receipts|generations|bundles|blobs|chunks|elements|ports|mounts|digits|components|licenses|findings|times';

/** Numbers that are never 1: limits, and what their names say. */
const NEVER_ONE =
  /[Mm]ax|MAX|limit|\bmost\b|unpacked|threshold|MAX_|TYPED|toFixed|decimal|Math\.round/;

/** Names in front of a noun, and numbers that their sentence already tells apart. */
const NO_NUMBERS = new Set([
  '${engine} images',
  '${lost} questions',
  '${formatNumber(layers.length)} layers',
  '${name} signatures',
  '${names} releases',
  '${wanted} bytes',
  "${required.length === 0 ? 'These' : 'Other'} values",
]);

describe('when a message counts something', () => {
  it.each([
    [0, '0 files'],
    [1, '1 file'],
    [2, '2 files'],
    [1n, '1 byte'],
  ])('%s is followed by the right form', (count, text) => {
    expect(counted(count, text.includes('byte') ? 'byte' : 'file')).toBe(text);
  });

  it('has no plural behind a number that may be 1', () => {
    const behindNumber = new RegExp(`\\$\\{((?:[^{}\`]|\\{[^{}\`]*\\})+)\\} (?:${NOUNS})\\b`, 'g');
    const found = globSync('src/**/*.ts').flatMap((path) =>
      [...readFileSync(path, 'utf8').matchAll(behindNumber)]
        .filter(([text, value = '']) => !NEVER_ONE.test(value) && !NO_NUMBERS.has(text))
        .map(([text]) => `${path}: ${text}`),
    );
    expect(found).toEqual([]);
  });
});
