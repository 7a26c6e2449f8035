import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Ran, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder();

/** Runs `stowage init --from` in a folder that has these empty files, and an empty folder `empty`. */
async function initFrom(
  from: string,
  ...files: readonly string[]
): Promise<Ran & { place: string }> {
  const place = scratch.fresh();
  mkdirSync(join(place, 'empty'), { recursive: true });
  for (const file of files) {
    mkdirSync(join(place, dirname(file)), { recursive: true });
    writeFileSync(join(place, file), file.endsWith('.json') ? '{}' : '');
  }
  return { ...(await runProgram(['init', '--from', from], place)), place };
}

describe('when a manifest is made from a folder', () => {
  it.each([
    ['weights', 'own/model.safetensors'],
    ['only a configuration', 'own/config.json'],
    ['weights in a folder below it', 'own/Q4_K_M/chat.gguf'],
    ['a snapshot of the cache of a Hub', `own/snapshots/${'a'.repeat(40)}/config.json`],
  ])('accepts one with %s', async (_, file) => {
    const { error, place } = await initFrom('./own', file);
    expect(error).toBeUndefined();
    expect(readFileSync(join(place, 'stowage.yaml'), 'utf8')).toContain('source: ./own');
  });

  it.each([
    ['empty', []],
    ['own', ['own/README.md', 'own/docs/notes.txt']],
  ])('refuses one without a model, and says what it looked for: %s', async (from, files) => {
    const { error, place } = await initFrom(`./${from}`, ...files);
    expect(error).toMatchObject({
      code: 'file-missing',
      message: `there is no model in ${join(place, from)}`,
      expected: expect.stringContaining('config.json, or weights such as *.safetensors'),
    });
    expect(existsSync(join(place, 'stowage.yaml'))).toBe(false);
  });

  it.each(['README', 'chat.gguf'])('refuses the file %s', async (name) => {
    const { error, place } = await initFrom(`./${name}`, name);
    expect(error).toMatchObject({
      code: 'file-missing',
      message: `${join(place, name)} is neither a compose file nor a folder`,
    });
    expect(existsSync(join(place, 'stowage.yaml'))).toBe(false);
  });
});
