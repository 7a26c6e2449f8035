import { exitStatus, StowageError } from '../../core/error.ts';
import { counted, printableLines } from '../../core/text.ts';
import { examineHost } from '../../site/doctor/examine-host.ts';
import { type SiteContext, SiteFolder } from '../../site/site-folder.ts';
import type { Finding } from '../../target/target.ts';
import { type CommandContext, type CommandResult, siteRoot, usage } from '../command.ts';
import { openSite } from './site.ts';

export interface DoctorOptions {
  readonly role?: boolean;
  readonly root?: string;
}

const titles: Readonly<Record<Finding['area'], string>> = {
  computes: 'algorithms',
  runtime: 'runtime',
  environment: 'environment',
  clock: 'clock',
  engine: 'container engine',
  cluster: 'cluster',
};

const words: Readonly<Record<Finding['verdict'], string>> = {
  right: 'ok',
  doubt: 'warn',
  wrong: 'FAIL',
};

/** Checks this host, and the cluster of its site; with `role`, prints the rights that the site's account needs there. */
export async function doctor(
  options: DoctorOptions,
  context: CommandContext,
): Promise<CommandResult> {
  if (options.role === true) return role(await openSite(options.root, context));
  const { runtime, env } = context.terminal;
  const { signal } = context;
  const host = await examineHost({ runtime, env, now: context.now(), signal });
  const findings = [...host.findings, ...(await siteFindings(options.root, context))];
  const fit = findings.every((each) => each.verdict !== 'wrong');
  const result = {
    json: { fit, node: runtime.node, openssl: runtime.openssl, findings },
    text: printableLines(`${[headline(findings), ...lines(findings)].join('\n')}\n`),
  };
  return fit ? result : { ...result, exitStatus: exitStatus.unfit };
}

/** What the target of the site checks; none on a host without a site. */
async function siteFindings(
  root: string | undefined,
  context: CommandContext,
): Promise<readonly Finding[]> {
  if (root === undefined && !(await hasSite(context))) return [];
  const { examineTarget } = await import('../../site/doctor/examine-target.ts');
  try {
    return await examineTarget(await openSite(root, context));
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    if (error.code === 'interrupted' || error.code === 'site-absent') throw error;
    const { message, found = '', hint } = error;
    return [
      { area: 'cluster', check: 'site', verdict: 'wrong', found: `${message}: ${found}`, hint },
    ];
  }
}

/** A default folder that this user cannot read is the site of another. */
async function hasSite(context: CommandContext): Promise<boolean> {
  try {
    return await new SiteFolder(siteRoot(context, undefined)).isSite();
  } catch (error) {
    if (error instanceof StowageError && error.code === 'io-failed') return false;
    throw error;
  }
}

async function role({ target, signal }: SiteContext): Promise<CommandResult> {
  if (target.role === undefined)
    throw usage(
      'this site has no account in a cluster',
      'a site with target: kubernetes',
      `target: ${target.name}`,
      'run it for a site whose site.yaml has target: kubernetes, with --site',
    );
  const { objects, yaml } = await target.role(signal);
  return { json: { objects }, text: printableLines(yaml) };
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
