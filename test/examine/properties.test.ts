import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Bytes, boundedBytes, memoryBytes, RuleBroken } from '../../src/examine/bytes.ts';
import { examineContent } from '../../src/examine/examine-content.ts';
import { examineGguf } from '../../src/examine/gguf.ts';
import { scanPickle } from '../../src/examine/pickle.ts';
import { examineSafetensors } from '../../src/examine/safetensors.ts';
import { type Rule, ruleNames } from '../../src/format/finding.ts';
import { pythonPickles } from '../lab/python-pickles.ts';
import { soundFiles } from '../lab/sound-files.ts';
import { unsafeFiles } from '../lab/unsafe-files.ts';

const { signal } = new AbortController();
const sound = soundFiles();
const pickles = pythonPickles();

/** A few bytes of a file changed, taken out or doubled. */
const bent = (files: readonly Buffer[]): fc.Arbitrary<Buffer> =>
  fc
    .tuple(
      fc.constantFrom(...files),
      fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('set', 'cut', 'double')), {
        minLength: 1,
        maxLength: 4,
      }),
    )
    .map(([file, changes]) =>
      changes.reduce((bytes, [place, value, change]) => {
        if (bytes.length === 0) return bytes;
        const at = place % bytes.length;
        if (change === 'cut') return bytes.subarray(0, at);
        if (change === 'double')
          return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - value))]);
        const copy = Buffer.from(bytes);
        copy[at] = value;
        return copy;
      }, file),
    );

/** Counts what is read, and refuses reads outside the content. */
function watched(content: Buffer): { bytes: Bytes; total: () => number } {
  let total = 0;
  const bytes: Bytes = {
    size: content.length,
    read: async (offset, length) => {
      expect(offset).toBeGreaterThanOrEqual(0);
      expect(length).toBeGreaterThanOrEqual(0);
      const part = content.subarray(offset, offset + length);
      total += part.length;
      return part;
    },
  };
  return { bytes, total: () => total };
}

async function rulesOf(run: (report: (rule: Rule) => void) => Promise<unknown>): Promise<Rule[]> {
  const rules: Rule[] = [];
  try {
    await run((rule) => void rules.push(rule));
  } catch (error) {
    if (!(error instanceof RuleBroken)) throw error;
    rules.push(error.rule);
  }
  return rules;
}

describe('when weights are mutated', () => {
  const of = (extension: string): Buffer[] =>
    [...sound].filter(([name]) => name.endsWith(extension)).map(([, bytes]) => bytes);

  it.each([
    ['safetensors', of('.safetensors'), examineSafetensors],
    ['GGUF', of('.gguf'), examineGguf],
  ] as const)(
    'refuses %s by a rule or accepts it, and never reads beyond its end',
    async (_, files, check) => {
      await fc.assert(
        fc.asyncProperty(bent(files), async (content) => {
          const { bytes, total } = watched(content);
          for (const rule of await rulesOf((report) => check(bytes, report)))
            expect(ruleNames).toContain(rule);
          expect(total()).toBeLessThanOrEqual(content.length * 2 + 16);
        }),
        { numRuns: 500 },
      );
    },
  );
});

describe('when pickles are mutated', () => {
  it('refuses them by a rule or accepts them', async () => {
    await fc.assert(
      fc.asyncProperty(bent([...pickles.values()]), async (content) => {
        const rules = await rulesOf(async () =>
          scanPickle(memoryBytes(content), { name: 'a.pkl', torch: false, signal }),
        );
        for (const rule of rules) expect(ruleNames).toContain(rule);
      }),
      { numRuns: 500 },
    );
  });

  it('handles arbitrary bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (content) => {
        await scanPickle(memoryBytes(Buffer.from(content)), { name: 'a', torch: false, signal });
      }),
      { numRuns: 500 },
    );
  });

  it('refuses every pickle that Python wrote to run code, at any position', async () => {
    const evil = [...pickles]
      .filter(([name]) => /^(?:system|popen|eval|runpy)/.test(name))
      .map(([, bytes]) => bytes);
    const harmless = [...pickles]
      .filter(([name]) => /^(?:data|ordered)/.test(name))
      .map(([, bytes]) => bytes);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...harmless), { maxLength: 5 }),
        fc.constantFrom(...evil),
        async (before, last) => {
          const verdict = await scanPickle(memoryBytes(Buffer.concat([...before, last])), {
            name: 'a',
            torch: false,
            signal,
          });
          expect(verdict?.map((each) => each.rule)).toContain('pickle-global');
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('when an unsafe file is mutated', () => {
  it('throws nothing but rules', async () => {
    // Bombs are large, and bent as slowly.
    const files = unsafeFiles(pickles).filter(({ bytes }) => bytes.length < 20_000);
    await fc.assert(
      fc.asyncProperty(bent(files.map(({ bytes }) => bytes)), async (content) => {
        const report = (rule: Rule): void => expect(ruleNames).toContain(rule);
        await examineContent(memoryBytes(content), { name: 'model.bin', report, signal });
      }),
      { numRuns: 500 },
    );
  });
});

describe('when a read exceeds the limit', () => {
  it('throws the limit rule', async () => {
    const bytes = boundedBytes(memoryBytes(Buffer.alloc(100)), 10);
    expect((await bytes.read(0, 10)).length).toBe(10);
    await expect(bytes.read(10, 1)).rejects.toMatchObject({ rule: 'examine-limit' });
  });
});
