import { beforeAll, describe, expect, it } from 'vitest';
import {
  blobsOfParts,
  blobsWithout,
  chooseParts,
  optionalParts,
  partsWithout,
  requireKnownParts,
  withParts,
} from '../../src/content/optional.ts';
import type { Digest } from '../../src/core/digest.ts';
import type { Bundle } from '../../src/format/bundle.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';
import { smallBundle } from '../support/small-bundle.ts';

const scratch = scratchFolder();
let bundle: Bundle;

beforeAll(async () => {
  const sizes = { small: 4000, large: 9000 };
  ({ bundle } = await smallBundle({ place: scratch.fresh(), sizes }));
});

const SMALL = ['image/server-small', 'model/small', 'service/small'];
const LARGE = ['image/server-large', 'model/large', 'service/large'];

const weights = (name: string): Digest =>
  bundle.models.find((each) => each.name === name)?.files[0]?.digest as Digest;

const sorted = (names: Iterable<string>): string[] => [...names].toSorted();

describe('when a bundle has optional parts', () => {
  it('lists them, with what they use and the blobs that no other site needs', () => {
    const parts = optionalParts(bundle);
    expect(sorted(parts.map(({ name }) => name))).toEqual(sorted([...SMALL, ...LARGE]));
    expect(parts.find(({ name }) => name === 'service/large')?.uses).toEqual([
      ...['image/server-large', 'model/large'],
    ]);
    const large = parts.find(({ name }) => name === 'model/large')?.blobs ?? [];
    expect(large).toContain(weights('large'));
    // It is a file of the model that every site has, too.
    const config = bundle.models[0]?.files[1]?.digest as Digest;
    expect(large).not.toContain(config);
  });

  it.each<[string, readonly string[] | 'all', readonly string[]]>([
    ['nothing', [], []],
    ['a name for all parts with it', ['small'], SMALL],
    ['a service, with what it uses', ['service/large'], LARGE],
    ['a model alone', ['model/large'], ['model/large']],
    ['two sizes', ['small', 'large'], [...SMALL, ...LARGE]],
    ['everything', 'all', [...SMALL, ...LARGE]],
  ])('chooses %s', (_, names, expected) => {
    const { parts, unknown } = chooseParts(bundle, names);
    expect(unknown).toEqual([]);
    expect(sorted(parts)).toEqual(sorted(expected));
  });

  it.each<[string, readonly string[], readonly string[]]>([
    ['a size', ['large'], LARGE],
    ['a model, with the service that uses it', ['model/large'], LARGE],
    ['a service, with what only it uses', ['service/small'], SMALL],
  ])('leaves out %s', (_, names, expected) => {
    expect(sorted(partsWithout(bundle, names))).toEqual(sorted(expected));
  });

  it.each([
    ['is not optional', 'tiny', 'model/tiny is not optional: every site has it'],
    ['is not optional, by its kind', 'service/server', 'service/server is not optional'],
    ['is misspelt', 'smal', 'did you mean small?'],
    ['is unknown', 'nothing-like-it', 'chat has no optional part nothing-like-it'],
    ['has another kind', 'files/small', 'chat has no optional part files/small'],
  ])('refuses a name that %s', async (_, name, reason) => {
    const chosen = chooseParts(bundle, [name, 'small']);
    expect(sorted(chosen.parts)).toEqual(sorted(SMALL));
    const error = await expectCode(() => requireKnownParts(bundle, chosen), 'part-unknown');
    expect(error.message).toContain(reason);
    const left = await expectCode(() => partsWithout(bundle, [name, 'small']), 'part-unknown');
    expect(left.message).toBe(error.message);
  });
});

describe('when a site has some of the optional parts', () => {
  it('is the bundle itself with all of them', () => {
    expect(withParts(bundle, chooseParts(bundle, 'all').parts)).toBe(bundle);
  });

  it('has neither their blobs nor their services, and all that others need', () => {
    const held = withParts(bundle, new Set(SMALL));
    expect(held.services.map(({ name }) => name)).toEqual(['server', 'small']);
    expect(held.models.map(({ name }) => name)).toEqual(['tiny', 'small']);
    expect(held.images.map(({ name }) => name)).toEqual(['server', 'server-small']);
    const digests = new Set(held.blobs.map(({ digest }) => digest));
    expect(digests).toContain(weights('small'));
    expect(digests).not.toContain(weights('large'));
    const without = blobsWithout(bundle, new Set(SMALL));
    expect(held.blobs).toHaveLength(bundle.blobs.length - without.size);
    expect(without).toEqual(blobsOfParts(bundle, new Set(LARGE)));
  });

  it('has no service without the model that it uses', () => {
    const held = withParts(bundle, new Set(['service/large', 'image/server-large']));
    expect(held.services.map(({ name }) => name)).toEqual(['server']);
  });

  it('has neither tests, nor evaluations, nor secrets of an absent service', () => {
    const asked = { service: 'large', model: 'large' };
    const acceptance = { ...asked, prompt: 'a', withinSeconds: 1 } as never;
    const secret = { description: '' };
    const sized: Bundle = {
      ...bundle,
      acceptance: [acceptance],
      evaluations: [{ ...asked, name: 'long' } as never],
      secrets: { token: secret, other: secret },
      services: bundle.services.map((each) =>
        each.name === 'large' ? { ...each, secrets: [{ secret: 'token', path: '/t' }] } : each,
      ),
    };
    const held = withParts(sized, new Set(SMALL));
    expect(held).toMatchObject({ acceptance: [], secrets: { other: secret } });
    expect(Object.keys(held.secrets)).toEqual(['other']);
    expect(held).not.toHaveProperty('evaluations');
  });
});
