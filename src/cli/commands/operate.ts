import type { ServiceCommand } from '../../format/override.ts';
import { type OperatedService, operateServices } from '../../site/applying/operate-services.ts';
import { currentGeneration } from '../../site/generations.ts';
import type { ServiceName } from '../../target/change.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { openRunningSite } from './site.ts';

const done: Readonly<Record<ServiceCommand, string>> = {
  start: 'started and passed all checks',
  stop: 'stopped; it stays stopped until stowage start',
  restart: 'restarted and passed all checks',
};

const unchanged: Readonly<Record<ServiceCommand, string>> = {
  start: 'already running',
  stop: 'already stopped',
  restart: '',
};

/** `start`, `stop` and `restart`: services of an installed release. */
export async function operate(
  command: ServiceCommand,
  selection: { readonly release: string; readonly services: readonly string[] },
  options: { readonly root?: string },
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await openRunningSite(options.root, context);
  const services = await operateServices(command, selection, opened);
  if (command === 'stop') await warnOfDependents(services, opened, context);
  const words = ({ already }: OperatedService): string => (already ? unchanged : done)[command];
  return {
    json: { command, services },
    text: services.map((each) => `${each.release} ${each.service}: ${words(each)}\n`).join(''),
  };
}

/** A running service does not notice that one it needs was stopped. */
async function warnOfDependents(
  stopped: readonly ServiceName[],
  { site, target }: Awaited<ReturnType<typeof openRunningSite>>,
  { emit, signal }: CommandContext,
): Promise<void> {
  const names = new Set(stopped.map(({ service }) => service));
  const { releases } = await currentGeneration(site);
  for (const release of releases.filter(({ name }) => name === stopped[0]?.release))
    for (const { name, dependsOn } of target.services(release)) {
      const needed = dependsOn.filter((each) => names.has(each));
      if (names.has(name) || needed.length === 0) continue;
      const { state } = await target.state({ release, service: name }, signal);
      if (state !== 'running') continue;
      emit({
        type: 'warning',
        message: `${release.name} ${name} still runs and needs ${needed.join(', ')}`,
      });
    }
}
