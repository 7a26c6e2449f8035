import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readReceipt } from '../../../src/bundle/receipt.ts';
import { install } from '../../../src/site/applying/change-release.ts';
import { evaluate } from '../../../src/site/evaluation/evaluate.ts';
import {
  readResult,
  resultsFolder,
  resultsOf,
} from '../../../src/site/evaluation/evaluation-results.ts';
import { suitesOf } from '../../../src/site/evaluation/suites.ts';
import { currentGeneration } from '../../../src/site/generations.ts';
import { newestReceipt } from '../../../src/site/receipts/receipt.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { fakeHost } from '../../support/fake-host.ts';
import { startFakeServer } from '../../support/fake-server.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { makeAuthority, type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder();
const authority = makeAuthority();

/** Twenty questions, of which the first four are about safety. */
const QUESTIONS = Array.from({ length: 20 }, (_, index) =>
  JSON.stringify({
    id: `question ${index}`,
    prompt: `q${index}`,
    expect: { contains: 'good' },
    tags: index < 4 ? ['safety'] : ['other'],
  }),
).join('\n');

interface Trial {
  readonly bundle: (seq: number, evaluation?: object) => Promise<SmallBundle>;
  readonly options: Omit<Parameters<typeof install>[1], 'trust'>;
  readonly site: SiteFolder;
  /** The prompts that are answered badly from now on. */
  readonly bad: Set<string>;
}

async function trial(): Promise<Trial> {
  const bad = new Set<string>();
  const { port } = await startFakeServer({
    answer: (prompt) => (bad.has(prompt) ? 'bad' : 'good'),
  });
  const site = new SiteFolder(scratch.fresh('site'));
  return {
    bad,
    site,
    options: { ...context(), site, target: fakeTarget(), host: fakeHost() },
    bundle: (seq, evaluation = {}) =>
      smallBundle({
        place: scratch.fresh(),
        authority,
        version: `1.${seq}.0`,
        seq,
        questions: QUESTIONS,
        services: [
          {
            name: 'server',
            image: 'server',
            ports: [{ name: 'http', container: 8000, host: port }],
            health: { server: 'vllm', port: 'http', startupSeconds: 5, soakSeconds: 0 },
          },
        ],
        evaluations: [
          {
            name: 'clinic',
            service: 'server',
            model: 'tiny',
            questions: 'questions',
            gate: 20,
            thresholds: { passRate: 0.9, tags: { safety: 1 }, regression: 0 },
            ...evaluation,
          },
        ],
      }),
  };
}

describe('the evaluations of a release', () => {
  it('are asked in the gate, and the receipt says how many passed', async () => {
    const { bundle, options, site } = await trial();
    const one = await bundle(1);
    await install(one.folder, { ...options, trust: authority.trust });
    const { receipt } = await readReceipt(await newestReceipt(site));
    expect(receipt.gates.at(-1)).toMatchObject({
      check: 'evaluation',
      passed: true,
      expected: 'the first 20 questions of evaluation clinic reach its thresholds',
      found: '20 of 20 passed (100 %)',
    });
    expect(receipt.evaluations).toMatchObject([
      {
        release: 'chat',
        evaluation: 'clinic',
        generation: 1,
        questions: 20,
        passed: 20,
        rate: 1,
        missed: 0,
      },
    ]);
  });

  it('roll back a model that keeps 19 of 20 and loses a tag', async () => {
    const { bundle, options, site, bad } = await trial();
    const withTrust = { ...options, trust: authority.trust };
    await install((await bundle(1)).folder, withTrust);
    const two = await bundle(2, { thresholds: { passRate: 0.9, tags: { safety: 1 } } });
    bad.add('q1');
    const error = await expectCode(() => install(two.folder, withTrust), 'rolled-back');
    expect(error.found ?? error.message).toContain('tag safety: 3 of 4 passed (75 %)');
    expect(error.defects).toEqual([
      'question 1 [safety]: ""bad""; expected an answer that contains "good"',
    ]);
    expect((await currentGeneration(site)).releases).toMatchObject([{ version: '1.1.0' }]);
    const results = await resultsOf(site, 'chat', 'clinic');
    const last = results.at(-1)?.result;
    expect(last).toMatchObject({ gate: true, generation: 2, summary: { passed: 19 } });
    expect(last?.results.filter(({ passed }) => !passed)).toMatchObject([
      {
        ...{ id: 'question 1', tags: ['safety'], found: '"bad"' },
        expected: 'an answer that contains "good"',
      },
    ]);
  });

  it('roll back a model that does worse than the generation before, though every threshold is met', async () => {
    const { bundle, options, site, bad } = await trial();
    const withTrust = { ...options, trust: authority.trust };
    await install((await bundle(1)).folder, withTrust);
    bad.add('q9');
    const error = await expectCode(
      async () => install((await bundle(2)).folder, withTrust),
      'rolled-back',
    );
    expect(error.found ?? error.message).toContain('of the same questions with generation 1');
    expect((await currentGeneration(site)).number).toBe(1);
    // A rolled-back generation is not what the next is held against.
    bad.clear();
    await install((await bundle(3)).folder, withTrust);
    const results = await resultsOf(site, 'chat', 'clinic');
    expect(results.at(-1)?.result.before).toEqual({ generation: 1, rate: 1, now: 1 });
  });

  it('are kept signed, and readable by the owner alone', async () => {
    const { bundle, options, site } = await trial();
    await install((await bundle(1)).folder, { ...options, trust: authority.trust });
    const folder = resultsFolder(site);
    const [json = ''] = readdirSync(folder).filter((each) => each.endsWith('.json'));
    const { result } = await readResult(`${folder}/${json}`);
    expect(result).toMatchObject({ evaluation: 'clinic', missed: [], model: 'tiny' });
    chmodSync(`${folder}/${json}`, 0o600);
    writeFileSync(`${folder}/${json}`, JSON.stringify({ ...result, missed: ['x'] }));
    await expectCode(() => readResult(`${folder}/${json}`), 'signature-invalid');
    expect(await resultsOf(site)).toEqual([]);
  });

  it('can be added by a site, whose questions never travelled', async () => {
    const { bundle, options, site, bad } = await trial();
    const own = scratch.fresh('secret.jsonl');
    writeFileSync(own, '{"prompt":"our secret","expect":{"equals":"good"}}\n');
    const added = (name: string): string =>
      `apiVersion: stowage/v1\nname: clinic\nevaluations:\n  chat:\n    - name: ${name}\n      service: server\n      model: tiny\n      questions: ${own}\n      gate: 1\n      thresholds: { passRate: 1 }\n`;
    writeFileSync(`${await made(site)}/site.yaml`, added('secret'));
    const one = await bundle(1);
    bad.add('our secret');
    const error = await expectCode(
      () => install(one.folder, { ...options, trust: authority.trust }),
      'rolled-back',
    );
    expect(JSON.stringify(error.defects)).not.toContain('our secret');
    bad.clear();
    await install(one.folder, { ...options, trust: authority.trust });
    const { number, releases } = await currentGeneration(site);
    const [release] = releases;
    if (release === undefined) throw new Error('nothing was installed');
    const both = await suitesOf(site, release);
    expect(both.map(({ evaluation }) => evaluation.name)).toEqual(['clinic', 'secret']);
    const [, suite] = both;
    if (suite === undefined) throw new Error('there are two');
    const { result } = await evaluate({ release, generation: number, suite, gate: false }, options);
    expect(result).toMatchObject({ gate: false, missed: [], summary: { questions: 1, passed: 1 } });
    writeFileSync(`${site.root}/site.yaml`, added('clinic'));
    await expectCode(() => suitesOf(new SiteFolder(site.root), release), 'site-invalid');
  });
});

async function made(site: SiteFolder): Promise<string> {
  await site.prepare();
  return site.root;
}
