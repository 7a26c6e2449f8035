import { describe, expect, it } from 'vitest';
import { globMatcher, hubMatcher } from '../../src/examine/glob.ts';
import { hubGlobs, hubPaths } from '../support/hub-globs.ts';

describe('when files of a repository are selected', () => {
  it.each(hubGlobs)('matches %j as huggingface_hub does', (glob, selected) => {
    expect(hubPaths.filter(hubMatcher(glob))).toEqual(selected);
  });

  it.each([
    ['a'.repeat(20_000), `${'*a'.repeat(120)}b`],
    [`${'ab'.repeat(10_000)}c`, '*ab*ab*ab*?[a-b]*d'],
  ])('decides about hostile globs in bounded steps', (path, glob) => {
    expect(hubMatcher(glob)(path)).toBe(false);
  });
});

describe('when a manifest allows a rule for files', () => {
  it.each([
    ['pytorch_model.bin', 'sub/pytorch_model.bin', true],
    ['sub/*', 'sub/a.bin', true],
    ['sub/*', 'sub/deep/a.bin', false],
    ['sub/', 'sub/a.bin', false],
  ])('does not let %s reach deeper than it says, for %s', (glob, path, expected) => {
    expect(globMatcher([glob])(path)).toBe(expected);
  });
});
