import { afterAll, describe, expect, it } from 'vitest';
import { findRevision, hubRepositories } from '../../src/depot/hub-file.ts';
import { Store } from './fixture.ts';
import { addModel, type ModelValues } from './hub-fixture.ts';

const stores: Store[] = [];
afterAll(() => {
  for (const store of stores) store.remove();
});

const OLD = '1'.repeat(40);
const NEW = '2'.repeat(40);
const at = (day: string, seq = 1): ModelValues['release'] & object => ({
  resolvedAt: `2026-11-${day}T00:00:00Z`,
  seq,
});

/** The commit that each name means, of models given as files with values. */
function names(...models: readonly ModelValues[]): Record<string, string> {
  const store = new Store();
  stores.push(store);
  for (const values of models) addModel(store, { 'config.json': '{}' }, values);
  const repository = hubRepositories(store.hubModels).get('example/tiny');
  const entries = [...(repository?.names ?? [])];
  return Object.fromEntries(entries.map(([name, { commit }]) => [name, commit]));
}

describe('when several releases contain a repository', () => {
  it.each<[string, ModelValues[], Record<string, string>]>([
    ['one of a branch', [{ commit: OLD, revision: 'main' }], { main: OLD }],
    ['one of a tag', [{ commit: OLD, revision: 'v1' }], { main: OLD, v1: OLD }],
    ['one of a commit', [{ commit: OLD, revision: OLD }], { main: OLD }],
    [
      'a newer one of main',
      [
        { commit: OLD, release: at('01') },
        { commit: NEW, release: at('02', 2) },
      ],
      { main: NEW },
    ],
    [
      'a newer one listed first',
      [
        { commit: NEW, release: at('02', 2) },
        { commit: OLD, release: at('01') },
      ],
      { main: NEW },
    ],
    [
      'a newer one of a tag',
      [
        { commit: OLD, revision: 'main', release: at('01') },
        { commit: NEW, revision: 'v2', release: at('02', 2) },
      ],
      { main: NEW, v2: NEW },
    ],
    [
      'a tag that moved',
      [
        { commit: OLD, revision: 'v1', release: at('01') },
        { commit: NEW, revision: 'v1', release: at('02', 2) },
      ],
      { main: NEW, v1: NEW },
    ],
    [
      'two of one release',
      [
        { commit: OLD, revision: 'v1' },
        { commit: NEW, revision: 'main' },
      ],
      { main: NEW, v1: OLD },
    ],
    [
      'two of one moment',
      [
        { commit: OLD, release: at('01', 1) },
        { commit: NEW, release: at('01', 2) },
      ],
      { main: NEW },
    ],
  ])('gives the names of %s', (_, models, expected) => {
    expect(names(...models)).toEqual(expected);
  });

  it('merges the files of one commit', () => {
    const store = new Store();
    stores.push(store);
    addModel(store, { 'q4.gguf': 'a', 'README.md': '' }, { release: { name: 'small' } });
    addModel(store, { 'q8.gguf': 'b', 'README.md': '' }, { release: { name: 'large' } });
    const repository = hubRepositories(store.hubModels).get('example/tiny');
    if (repository === undefined) throw new Error('no repository');
    const revision = findRevision(repository, 'HEAD');
    expect([...(revision?.files.keys() ?? [])]).toEqual(['README.md', 'q4.gguf', 'q8.gguf']);
    expect(findRevision(repository, revision?.commit ?? '')).toBe(revision);
    expect(findRevision(repository, '__proto__')).toBeUndefined();
  });
});
