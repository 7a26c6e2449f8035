import { setTimeout as sleep } from 'node:timers/promises';
import { readReceipt } from '../../bundle/receipt.ts';
import { messageOf, StowageError } from '../../core/error.ts';
import { oneLine } from '../../core/text.ts';
import type { Receipt } from '../../format/receipt.ts';
import type { Rehearsal } from '../../format/rehearsal.ts';
import { makeFolder } from '../../io/folder.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { resultsFolder } from '../evaluation/evaluation-results.ts';
import { suitesOf } from '../evaluation/suites.ts';
import { currentGeneration } from '../generations.ts';
import { liveStatus } from '../live/live-status.ts';
import { newestReceipt } from '../receipts/receipt.ts';
import type { SiteContext } from '../site-folder.ts';
import type { Ran } from './facts.ts';

/**
 * Installs a release, asks it its evaluations and watches it. What a gate finds is a failure of the rehearsal, not of this function.
 * @param installed installs it
 */
export async function runRelease(
  installed: () => Promise<unknown>,
  context: SiteContext,
  watchSeconds: number,
): Promise<Ran> {
  const failures: string[] = [];
  const evaluations: Rehearsal['evaluations'][number][] = [];
  const contexts = new Map<string, number>();
  const rates = new Map<string, number>();
  try {
    await installed();
  } catch (error) {
    if (!(error instanceof StowageError) || error.code !== 'rolled-back') throw error;
    failures.push(oneLine(`${error.message}: ${error.found ?? ''}`, 1000));
  }
  const { site, target, signal } = context;
  if (failures.length === 0) {
    const generation = await currentGeneration(site);
    await makeFolder(resultsFolder(site), 0o700);
    for (const release of generation.releases)
      for (const suite of await suitesOf(site, release)) {
        const { evaluation } = suite;
        // In the cluster of a rehearsal there are no charts and objects.
        if (!target.services(release).some(({ name }) => name === evaluation.service)) continue;
        try {
          const asked = { release, suite, generation: generation.number, gate: false };
          const { result } = await evaluate(asked, context);
          const { questions, passed, rate, tokensPerSecond } = result.summary;
          evaluations.push({
            ...{ name: evaluation.name, questions, passed, rate, missed: result.missed },
            ...(tokensPerSecond === undefined ? {} : { tokensPerSecond }),
          });
          if (tokensPerSecond !== undefined) rates.set(evaluation.service, tokensPerSecond);
          failures.push(
            ...result.missed.map((each) => oneLine(`evaluation ${evaluation.name}: ${each}`, 1000)),
          );
        } catch (error) {
          if (!(error instanceof StowageError) || error.code !== 'gate-failed') throw error;
          failures.push(oneLine(`evaluation ${evaluation.name}: ${messageOf(error)}`, 1000));
        }
      }
    await sleep(watchSeconds * 1000, undefined, { signal }).catch(() => signal.throwIfAborted());
    for (const { service, phase, detail, models = [] } of (await liveStatus(context)).services) {
      const [{ context: length } = {}] = models;
      if (length !== undefined) contexts.set(service, length);
      if (phase !== 'ready')
        failures.push(
          oneLine(`service ${service} is ${phase} after the questions: ${detail}`, 1000),
        );
    }
  }
  const { receipt } = await readReceipt(await newestReceipt(site));
  return { gates: gatesOf(receipt), evaluations, failures, contexts, rates };
}

function gatesOf({ gates }: Receipt): Rehearsal['gates'] {
  return gates.map(({ service, check, passed, found, milliseconds }) => ({
    ...{ service, check, passed, milliseconds },
    found: oneLine(found, 1000),
  }));
}
