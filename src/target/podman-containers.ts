import { type Json, parseJson } from '../core/canonical-json.ts';
import { commandFailure } from './command.ts';
import { mergeLog } from './log-lines.ts';
import { labels, STOP_SECONDS } from './podman-arguments.ts';
import type { PodmanClient } from './podman-client.ts';
import type { ServiceState } from './target.ts';

const REMOVE_MS: number = (STOP_SECONDS + 90) * 1000;
const FORMAT = `[{{json .State}},{{json .Image}},{{json .RestartCount}},{{json (index .Config.Labels "${labels.specification}")}}]`;

interface State {
  readonly Status?: string;
  readonly Running?: boolean;
  readonly ExitCode?: number;
  readonly OOMKilled?: boolean;
  readonly Error?: string;
  readonly StartedAt?: string;
}

/** The state of the container of this name. */
export async function inspectContainer(
  podman: PodmanClient,
  name: string,
  signal: AbortSignal,
): Promise<ServiceState> {
  const args = ['container', 'inspect', '--format', FORMAT, name];
  const result = await podman.ask(args, signal);
  if (result.status === 0) return stateFrom(parseJson(Buffer.from(result.stdout.trim())));
  if (!(await containerExists(podman, name, signal))) return { state: 'absent', detail: '' };
  throw commandFailure('podman', args, result);
}

/** Stops the container of this name and removes it with its volumes; content when there is none. */
export async function removeContainer(
  podman: PodmanClient,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const seconds = String(STOP_SECONDS);
  const args = ['rm', '--force', '--ignore', '--volumes', '--time', seconds, name];
  await podman.must(args, signal, REMOVE_MS);
}

/** The last lines of its log, stdout and stderr in the order they were written; empty when there is none. */
export async function containerLog(
  podman: PodmanClient,
  name: string,
  lines: number,
  signal: AbortSignal,
): Promise<string> {
  const args = ['logs', '--timestamps', '--tail', String(lines), name];
  const result = await podman.ask(args, signal);
  if (result.status === 0) return mergeLog(result.stdout, result.stderr, lines);
  // A container that was made and never started has no log, nor has one that is gone.
  if ((await inspectContainer(podman, name, signal)).startedAt === undefined) return '';
  throw commandFailure('podman', args, result);
}

async function containerExists(
  podman: PodmanClient,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  const args = ['container', 'exists', name];
  const result = await podman.ask(args, signal);
  if (result.status > 1) throw commandFailure('podman', args, result);
  return result.status === 0;
}

function stateFrom(answer: Json): ServiceState {
  const [state, image, restarts, specification] = answer as unknown as [
    State,
    string,
    number,
    string,
  ];
  // Podman writes Go's zero time for a container that was never started.
  const started = state.StartedAt?.startsWith('0001-') ? undefined : state.StartedAt;
  return {
    state: state.Running === true ? 'running' : 'stopped',
    detail: detailOf(state, started !== undefined, restarts),
    ...(started === undefined ? {} : { startedAt: new Date(started).toISOString() }),
    image: image.replace(/^sha256:/, ''),
    restarts,
    ...(specification === '' ? {} : { specification }),
  };
}

function detailOf(state: State, wasStarted: boolean, restarts: number): string {
  const parts: string[] = [];
  if (!wasStarted) parts.push(`${state.Status}, never started`);
  else if (state.Running !== true) parts.push(`${state.Status}, exit code ${state.ExitCode}`);
  if (state.OOMKilled === true) parts.push('out of memory');
  if (state.Error !== undefined && state.Error !== '') parts.push(state.Error);
  if (restarts > 0) parts.push(`restarted ${restarts} times`);
  return parts.join(', ');
}
