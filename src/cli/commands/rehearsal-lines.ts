import { StowageError } from '../../core/error.ts';
import { counted, formatBytes } from '../../core/text.ts';
import type { Rehearsal, RehearsedService } from '../../format/rehearsal.ts';
import { attemptInWords } from '../../site/rehearsal/attempts.ts';

/** A rehearsal in lines for people. */
export function rehearsalLines(rehearsal: Rehearsal): string[] {
  const { release, passed, attempts, evaluations, services, peakMemoryBytes, unseen } = rehearsal;
  return [
    `${release.name} ${release.version}: ${passed ? 'passed' : 'did NOT pass'} its rehearsal of ${rehearsal.at}`,
    `  ${counted(rehearsal.gates.length, 'check')} of the gate, ${rehearsal.gates.filter((each) => each.passed).length} passed`,
    ...evaluations.map(
      ({ name, passed: right, questions, missed }) =>
        `  evaluation ${name}: ${right} of ${questions} passed${missed.length === 0 ? '' : `; MISSED: ${missed.join('; ')}`}`,
    ),
    ...(attempts.length === 0 ? ['  no attempt to reach out'] : []),
    ...attempts.flatMap((each) => [
      `  ${each.known === undefined ? 'UNKNOWN' : 'known'}: ${attemptInWords(each)}`,
      ...(each.purpose === undefined ? [] : [`    ${each.purpose}; stop it with ${each.remedy}`]),
      ...(each.known === undefined ? [] : [`    harmless: ${each.known}`]),
    ]),
    ...services.map((each) => `  ${serviceInWords(each, rehearsal)}`),
    ...(peakMemoryBytes === undefined
      ? []
      : [
          rehearsal.target === 'kubernetes'
            ? `  memory of all services: at most ${formatBytes(peakMemoryBytes)}`
            : `  memory of the host: ${formatBytes(peakMemoryBytes)} more than before`,
        ]),
    ...unseen.map((each) => `  not seen: ${each}`),
  ];
}

function serviceInWords(
  {
    name,
    readySeconds,
    peakMemoryBytes,
    context,
    tokensPerSecond,
    written,
    processes,
  }: RehearsedService,
  { gates }: Rehearsal,
): string {
  const failed = gates.some((each) => each.service === name && !each.passed);
  const state = failed ? 'never ready' : 'running';
  return `service ${name}: ${[
    readySeconds === undefined ? state : `ready after ${readySeconds.toFixed(1)} s`,
    ...(peakMemoryBytes === undefined ? [] : [`at most ${formatBytes(peakMemoryBytes)} of memory`]),
    ...(tokensPerSecond === undefined ? [] : [`${tokensPerSecond.toFixed(1)} tokens a second`]),
    ...(context === undefined ? [] : [`context of ${counted(context, 'token')}`]),
    ...(written === undefined ? [] : [`${formatBytes(written.bytes)} written outside its mounts`]),
    ...(processes.length === 0
      ? []
      : [`${counted(processes.length, 'process', 'processes')} seen`]),
  ].join(', ')}`;
}

/** The error of a rehearsal that did not pass. @param file where it was written */
export function rehearsalFailed(rehearsal: Rehearsal, file: string): StowageError {
  const { release, failures, attempts, unseen } = rehearsal;
  const unknown = attempts.filter(({ known }) => known === undefined);
  const remedies = unknown.flatMap(({ name, address, remedy, purpose }) =>
    remedy === undefined ? [] : [`${name ?? address}: ${purpose}; stop it with ${remedy}`],
  );
  return new StowageError(
    'rehearsal-failed',
    `${release.name} ${release.version} did not pass its rehearsal`,
    {
      expected: 'checks that pass, and no attempt to reach out that knownEgress does not list',
      found: failures[0] ?? '',
      defects: [
        ...[...failures.slice(0, 100), ...new Set(remedies)],
        ...unseen.map((each) => `not seen: ${each}`),
      ],
      hint: `stop each attempt with a setting, or list it in knownEgress of the manifest with the reason why it is harmless; ${file} has every detail`,
    },
  );
}
