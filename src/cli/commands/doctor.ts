import { exitStatus } from '../../core/error-table.ts';
import { printableLines } from '../../core/printable.ts';
import { examineHost } from '../../site/doctor/examine-host.ts';
import type { Finding } from '../../site/doctor/finding.ts';
import type { CommandContext, CommandResult } from '../command.ts';

const titles: Readonly<Record<Finding['area'], string>> = {
  computes: 'known answers',
  runtime: 'runtime',
  environment: 'environment',
  clock: 'clock',
  engine: 'container engine',
};

export async function doctor(context: CommandContext): Promise<CommandResult> {
  const { runtime, env } = context.terminal;
  const { signal } = context;
  const report = await examineHost({ runtime, env, now: context.now(), signal });
  const { fit, findings } = report;
  const result = {
    json: { fit, node: runtime.node, openssl: runtime.openssl, findings },
    text: printableLines(`${[headline(findings), ...lines(findings)].join('\n')}\n`),
  };
  return fit ? result : { ...result, exitStatus: exitStatus.unfit };
}

function headline(findings: readonly Finding[]): string {
  const count = (verdict: Finding['verdict']): number =>
    findings.filter((each) => each.verdict === verdict).length;
  const [wrong, doubts] = [count('wrong'), count('doubt')];
  if (wrong > 0) return `this host is not fit: ${wrong} of ${findings.length} answers are wrong`;
  if (doubts > 0) return `every answer is right or plausible; ${doubts} to look at`;
  return `every one of ${findings.length} answers is right`;
}

function lines(findings: readonly Finding[]): string[] {
  const width = Math.max(...findings.map((each) => each.check.length));
  return [...Map.groupBy(findings, (each) => each.area)].flatMap(([area, own]) => [
    `${titles[area]}:`,
    ...own.flatMap(({ check, verdict, found, hint }) => [
      `  ${verdict.padEnd(5)}  ${check.padEnd(width)}  ${found}`,
      ...(hint === undefined ? [] : [`         hint: ${hint}`]),
    ]),
  ]);
}
