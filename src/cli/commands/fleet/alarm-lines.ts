import type { SiteAlarm } from '../../../fleet/take.ts';

/** Alarms as text, each with both of its documents. */
export function alarmLines(alarms: readonly SiteAlarm[]): string[] {
  return alarms.flatMap(({ site, kind, text, first, second }) => [
    `  ALARM: ${site}: ${text} [${kind}]`,
    `    ${first}`,
    `    ${second}`,
  ]);
}
