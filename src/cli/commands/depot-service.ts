import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted, StowageError } from '../../core/error.ts';
import { oneLine, printableLines } from '../../core/text.ts';
import { isLoopbackAddress } from '../../depot/server.ts';
import { exists } from '../../io/file.ts';
import type { SiteFolder } from '../../site/site-folder.ts';
import { depotUnit, OLDEST_SYSTEMD } from '../../target/depot/depot.ts';
import { runCommand } from '../../target/host/command.ts';
import { createHostProbe } from '../../target/host/host-probe.ts';
import { listensAt } from '../../target/host/listeners.ts';
import { createSystemd, type Systemd, systemdRuns } from '../../target/host/systemd.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { requireConfirmation } from './ask.ts';

const UNIT_FOLDER = '/etc/systemd/system';
/** How long a busy host may need until the service listens. */
const START_MS = 60_000;
const POLL_MS = 250;
const FILES = [
  { option: '--tls-certificate', name: 'tls.crt', of: 'tlsCertificate' },
  { option: '--tls-key', name: 'tls.key', of: 'tlsKey' },
  { option: '--token-file', name: 'tokens', of: 'tokenFile' },
] as const;

/** The options of a depot that its service keeps, and how a person confirms the change. */
export interface DepotServiceOptions {
  readonly listen: string;
  readonly release: readonly string[];
  readonly tlsCertificate?: string;
  readonly tlsKey?: string;
  readonly tokenFile?: string;
  readonly accessLog?: string;
  readonly modelcars?: boolean;
  readonly hubPath?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

interface Listening {
  readonly address: string;
  readonly port: number;
}

/**
 * Makes the depot of a site a service that systemd starts with the host. Repeated with the same options, it changes nothing;
 * with others, it replaces the service.
 * @throws StowageError `host-unfit` without systemd, `usage-invalid`, `engine-failed` when it does not start
 */
export async function installDepot(
  site: SiteFolder,
  options: DepotServiceOptions,
  { address, port }: Listening,
  context: CommandContext,
): Promise<CommandResult> {
  const { listen } = options;
  if (port === 0) throw usage('a service needs a port of its own', 'a port above 0', listen);
  if (options.accessLog !== undefined)
    throw usage(
      'a service writes its access log to the journal',
      '--install without --access-log',
      options.accessLog,
    );
  const secured = options.tlsCertificate !== undefined && options.tokenFile !== undefined;
  if (!isLoopbackAddress(address) && !secured)
    throw usage(
      `a depot cannot listen on ${address} without TLS and tokens`,
      '--tls-certificate, --tls-key and --token-file',
      'not all of them',
    );
  const systemd = await hostSystemd(context);
  const unit = await unitName(site);
  const text = depotUnit({
    ...{ unit, site: (await site.site()).name, root: site.root, listen, port },
    command: await commandOf(site, context),
    args: [
      ...options.release.flatMap((each) => ['--release', each]),
      ...(options.modelcars === true ? ['--modelcars'] : []),
      ...(options.hubPath === undefined ? [] : ['--hub-path', options.hubPath]),
    ],
    files: FILES.flatMap(({ option, name, of }) => {
      const given = options[of];
      return given === undefined ? [] : [{ option, name, path: context.path(given) }];
    }),
  });
  const path = join(UNIT_FOLDER, `${unit}.service`);
  const before = (await systemd.source(unit))?.text;
  const state = before === undefined ? undefined : await systemd.show(unit, context.signal);
  const same = before === text && state?.active === 'active' && state.file === 'enabled';
  const result = (did: string): CommandResult => ({
    json: { unit, path, text, changed: !same && options.dryRun !== true },
    text: printableLines(`${did}\n`),
  });
  if (same) return result(`${unit} is installed and running; nothing was changed`);
  if (options.dryRun === true) return result(`# ${path}\n${text}`);
  await confirm(
    `${path}:\n\n${text}\nWrite this file, and start and enable the service?`,
    options,
    context,
  );
  try {
    // Its settings are read when it starts.
    if (before !== undefined) await systemd.remove(unit, context.signal);
    await systemd.install(unit, { form: 'unit', text }, context.signal);
    await untilServing(systemd, { unit, port }, context);
  } catch (error) {
    // systemd would restart a service that cannot run again and again. The previous service is started again.
    const { signal } = new AbortController();
    await systemd.remove(unit, signal);
    if (before !== undefined) await systemd.install(unit, { form: 'unit', text: before }, signal);
    throw error;
  }
  return result(
    `${unit} serves ${site.root} at ${listen}\n  log: journalctl --unit ${unit}\n  remove: stowage depot --uninstall`,
  );
}

/** Stops the service and removes its unit. Nothing else of the site is touched. */
export async function uninstallDepot(
  site: SiteFolder,
  options: DepotServiceOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const systemd = await hostSystemd(context);
  const unit = await unitName(site);
  const path = join(UNIT_FOLDER, `${unit}.service`);
  const found = await systemd.source(unit);
  const json = { unit, path, changed: found !== undefined && options.dryRun !== true };
  if (found === undefined) return { json, text: `there is no ${path}; nothing was changed\n` };
  if (options.dryRun === true) return { json, text: `${path} would be removed\n` };
  await confirm(`Stop ${unit}, and remove ${path}?`, options, context);
  await systemd.remove(unit, context.signal);
  return { json, text: `${unit} was stopped, and ${path} removed\n` };
}

/** Removes the service before the folder of the site is deleted; does nothing where there is none. */
export async function removeDepotService(site: SiteFolder, context: CommandContext): Promise<void> {
  const { root, env } = context.terminal;
  if (!root || !systemdRuns(env, false)) return;
  const systemd = systemdFor(context);
  const unit = await unitName(site);
  if ((await systemd.source(unit)) !== undefined) await systemd.remove(unit, context.signal);
}

async function unitName(site: SiteFolder): Promise<string> {
  return `stowage-depot-${await site.id()}`;
}

/** @throws StowageError `host-unfit` with the command to run instead */
async function hostSystemd(context: CommandContext): Promise<Systemd> {
  const { terminal, signal } = context;
  const { env, root } = terminal;
  const unfit = (found: string, hint: string): StowageError =>
    new StowageError('host-unfit', 'the depot cannot become a service of this host', {
      expected: `systemd ${OLDEST_SYSTEMD} or later, and root`,
      found,
      hint,
    });
  if (!root) throw unfit('another user than root', 'run the command as root, such as with sudo');
  if (!systemdRuns(env, false))
    throw unfit(
      'no running systemd',
      'have the init system of this host start the same command without --install, and restart it when it ends',
    );
  const { stdout } = await runCommand('systemctl', ['--version'], {
    env,
    signal,
    timeoutMs: 10_000,
  });
  const version = Number(/^systemd (\d+)/.exec(stdout)?.[1] ?? '0');
  if (version < OLDEST_SYSTEMD)
    throw unfit(
      `systemd ${version}`,
      'start the same command without --install from a unit of your own',
    );
  return systemdFor(context);
}

function systemdFor({ terminal: { env } }: CommandContext): Systemd {
  const folders = { unit: UNIT_FOLDER, quadlet: '/etc/containers/systemd' };
  return createSystemd({ run: runCommand, env, user: false, folders });
}

/** The installer that the site keeps, because the media are removed; else this program, and its Node. */
async function commandOf(site: SiteFolder, { terminal }: CommandContext): Promise<string[]> {
  const { program } = terminal;
  if (/\.[jt]s$/.test(program)) return [await readlink('/proc/self/exe'), program];
  const kept = site.path('bin', 'stowage');
  return [(await exists(kept)) ? kept : program];
}

/** @throws StowageError `usage-invalid` without a terminal, or for another answer than yes */
async function confirm(
  question: string,
  { yes }: DepotServiceOptions,
  context: CommandContext,
): Promise<void> {
  if (yes === true) return;
  await requireConfirmation(
    {
      question: `${question} [y/N] `,
      ...{ needed: 'this needs confirmation', expected: 'yes' },
      isExpected: (answer) => /^y(?:es)?$/i.test(answer),
      hint: 'run the command with --dry-run to see what it would do, then with --yes',
    },
    context,
  );
}

/** A wrong option ends the service before it listens. @throws StowageError `engine-failed` */
async function untilServing(
  systemd: Systemd,
  { unit, port }: { readonly unit: string; readonly port: number },
  { signal, terminal: { env } }: CommandContext,
): Promise<void> {
  const host = createHostProbe({ env });
  const began = performance.now();
  for (;;) {
    const { active, result, restarts, pid } = await systemd.show(unit, signal);
    const stays = active === 'active' && restarts === 0;
    if (stays && (await listensAt(port, pid, host))) return;
    if (!stays || performance.now() - began > START_MS)
      throw new StowageError('engine-failed', `${unit} does not ${stays ? 'listen' : 'stay up'}`, {
        expected: `a service that listens on port ${port}`,
        found: stays ? `none after ${START_MS / 1000} s` : `${active}, ${result}`,
        hint: 'the last lines of its log follow; correct the options, and run the command again',
        defects: await journal(unit, signal, env),
      });
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
    if (signal.aborted) throw interrupted(signal);
  }
}

/** The last lines of the service, without those of systemd about every attempt. */
async function journal(
  unit: string,
  signal: AbortSignal,
  env: CommandContext['terminal']['env'],
): Promise<string[]> {
  const args = ['--no-pager', '--output', 'cat', '--lines', '12', '--unit', unit];
  const { stdout } = await runCommand('journalctl', args, { env, signal, timeoutMs: 10_000 });
  return stdout
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => oneLine(line, 300));
}
