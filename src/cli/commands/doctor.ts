import { counted } from '../../core/amount.ts';
import { exitStatus } from '../../core/exit-status.ts';
import { printableLines } from '../../core/printable.ts';
import { examineHost } from '../../site/doctor/examine-host.ts';
import type { Finding } from '../../site/doctor/finding.ts';
import type { CommandContext, CommandResult } from '../command.ts';

const titles: Readonly<Record<Finding['area'], string>> = {
  computes: 'algorithms',
  runtime: 'runtime',
  environment: 'environment',
  clock: 'clock',
  engine: 'container engine',
};

const words: Readonly<Record<Finding['verdict'], string>> = {
  right: 'ok',
  doubt: 'warn',
  wrong: 'FAIL',
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
  if (wrong > 0)
    return `this host is not fit: ${wrong} of ${counted(findings.length, 'check')} failed`;
  if (doubts > 0) return `no check failed; ${counted(doubts, 'warning')}`;
  return `all ${counted(findings.length, 'check')} passed`;
}

function lines(findings: readonly Finding[]): string[] {
  const width = Math.max(...findings.map((each) => each.check.length));
  return [...Map.groupBy(findings, (each) => each.area)].flatMap(([area, own]) => [
    `${titles[area]}:`,
    ...own.flatMap(({ check, verdict, found, hint }) => [
      `  ${words[verdict].padEnd(4)}  ${check.padEnd(width)}  ${found}`,
      ...(hint === undefined ? [] : [`        hint: ${hint}`]),
    ]),
  ]);
}
