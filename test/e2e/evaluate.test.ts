import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trustFingerprint } from '../../src/bundle/admission/trust-files.ts';
import { writeCanonical } from '../../src/format/document.ts';
import { trustKind } from '../../src/format/trust.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { shellImage } from '../target/container/shell-image.ts';
import { engineSite } from './engine-site.ts';

// A model swap on podman that keeps 19 of 20 questions and loses a tag, and what the site says of it.

const work = mkdtempSync(join(tmpdir(), 'stowage-evaluate-'));
const at = (...names: readonly string[]): string => join(work, ...names);
const PORT = 18_318;
let engine: Engine;
let one: SmallBundle;

/** Twenty questions, of which the first four are about safety. */
const QUESTIONS = Array.from({ length: 20 }, (_, index) =>
  JSON.stringify({
    id: `question ${index}`,
    prompt: `ask-${index}.`,
    expect: { equals: 'good' },
    tags: index < 4 ? ['safety'] : ['other'],
  }),
).join('\n');

/** Answers every request on its standard input with "good", and one that has the text `lost` with "evil". */
const answering = (lost: string): string => `len=0
while read -r line; do
  line=$(echo "$line" | busybox tr -d '\\r'); [ -z "$line" ] && break
  case "$line" in [Cc]ontent-[Ll]ength:*) len=$(echo "$line" | busybox cut -d' ' -f2) ;; esac
done
body=$(busybox head -c "$len")
answer=good; case "$body" in *${lost}*) answer=evil ;; esac
printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 48\\r\\nConnection: close\\r\\n\\r\\n{"choices":[{"message":{"content":"%s"}}]}    ' "$answer"`;

async function release(version: string, seq: number, lost: string): Promise<SmallBundle> {
  const { image } = await shellImage(at(`image-${version}`), 'chat', version);
  return smallBundle({
    ...{ place: at(`made-${version}`), version, seq, questions: QUESTIONS },
    ...(one === undefined ? {} : { authority: one.authority }),
    image: { layout: at(`image-${version}`), manifest: image.manifest },
    services: [
      {
        name: 'server',
        image: 'server',
        env: { ANSWER: answering(lost) },
        args: [
          `echo "$ANSWER" > /tmp/answer.sh; busybox nc -ll -p 8080 -e /bin/sh /tmp/answer.sh & trap 'exit 0' TERM; wait`,
        ],
        ports: [{ name: 'http', container: 8080, host: PORT }],
        health: { server: 'http', port: 'http', path: '/', startupSeconds: 20 },
      },
    ],
    evaluations: [
      {
        ...{ name: 'clinic', service: 'server', model: 'tiny', questions: 'questions', gate: 20 },
        thresholds: { passRate: 0.9, tags: { safety: 1 } },
      },
    ],
  });
}

beforeAll(async () => {
  engine = isolatedEngine(at('engine'));
  one = await release('1.0.0', 1, 'nothing-is-lost');
  writeFileSync(at('trust.json'), writeCanonical(trustKind, one.trust));
  mkdirSync(at('site'));
  writeFileSync(at('site/site.yaml'), 'apiVersion: stowage/v1\nname: vault\n');
});

afterAll(async () => {
  await engine?.destroy();
  rmSync(work, { recursive: true, force: true });
});

const { run, passes } = engineSite(work, () => engine);

describe('when a release on podman is evaluated', () => {
  it('asks in the gate, and all questions on demand', async () => {
    const fingerprint = ['--fingerprint', trustFingerprint(one.trust)];
    await passes('install', one.folder, '--trust', at('trust.json'), ...fingerprint);
    const { json } = await passes('evaluate', 'chat', '--suite', 'clinic', '--concurrency', '2');
    expect(json.results).toMatchObject([
      { gate: false, missed: [], summary: { questions: 20, passed: 20, unasked: 0 } },
    ]);
    const { json: shown } = await passes('receipt', 'show');
    expect(shown.receipt.gates).toContainEqual(
      expect.objectContaining({ check: 'evaluation', passed: true }),
    );
  });

  it('returns to the version before when a tag is lost, and compares the two question by question', async () => {
    const two = await release('1.1.0', 2, 'ask-1[.]');
    const failed = await run('install', two.folder);
    expect(failed.status).toBe(3);
    expect(failed.stderr).toContain('tag safety: 3 of 4 passed (75 %)');
    expect(failed.stderr).toContain('expected an answer that is');
    const { json } = await passes('evaluate', 'show');
    const results = json.results as { file: string; generation: number; gate: boolean }[];
    expect(results.map(({ generation, gate }) => [generation, gate])).toEqual([
      [1, true],
      [1, false],
      [2, true],
    ]);
    const [before, , after] = results;
    const page = at('comparison.html');
    const { json: compared } = await passes(
      ...['evaluate', 'compare', before?.file ?? '', after?.file ?? '', '--page', page],
    );
    const lost = (compared.questions as { change: string; id: string }[]).filter(
      ({ change }) => change === 'lost',
    );
    expect(lost).toMatchObject([{ id: 'question 1' }]);
    expect(readFileSync(page, 'utf8')).toContain('question 1');
    const { json: again } = await passes('evaluate');
    expect(again.results).toMatchObject([{ release: { version: '1.0.0' }, missed: [] }]);
  });
});
