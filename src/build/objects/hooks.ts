import { StowageError } from '../../core/error.ts';
import { fieldsOf, type Json, textOf } from '../../core/json.ts';
import { type Hook, hookEvents } from '../../format/rendered-objects.ts';

/** The annotations of Helm that say what an object is; Stowage says it in the document, so they are removed. */
const HOOK = 'helm.sh/hook';
const WEIGHT = 'helm.sh/hook-weight';

const isEvent = (text: string): text is Hook['events'][number] =>
  (hookEvents as readonly string[]).includes(text);

/**
 * What the annotations of a chart's object say about when it runs; undefined for an object that is no hook.
 * @throws StowageError `chart-unsupported` for an event that Stowage does not have
 */
export function hookOf(
  object: { readonly [member: string]: Json },
  what: string,
  from: string,
): Hook | undefined {
  const { annotations } = fieldsOf(object['metadata']);
  const written = textOf(fieldsOf(annotations)[HOOK], 1024);
  if (written === undefined) return undefined;
  const events = written
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
    // The old name of tests that must succeed.
    .map((each) => (each === 'test-success' ? 'test' : each));
  const known = events.filter(isEvent);
  // A rollback applies the objects of the kept generation again, so it has nothing to run beside them.
  const others = events.filter((each) => !isEvent(each));
  if (others.length > 0)
    throw new StowageError('chart-unsupported', `${what} has a hook that a site cannot run`, {
      expected: hookEvents.join(', '),
      found: `${others.join(', ')} in ${from}`,
      hint: 'turn the hook off by a value of the chart, or leave the object out with without:',
    });
  const weight = Number(textOf(fieldsOf(annotations)[WEIGHT], 16) ?? 0);
  return { events: [...new Set(known)], weight: Number.isSafeInteger(weight) ? weight : 0 };
}
