import { parseJson } from '../../core/canonical-json.ts';
import { labels } from './container-arguments.ts';
import type { ContainerState } from './engine.ts';

/** The format for `inspect` of podman and docker: a JSON list of four. */
export const STATE_FORMAT: string = `[{{json .State}},{{json .Image}},{{json .RestartCount}},{{json .Config.Labels}}]`;

type Labels = Readonly<Record<string, string | undefined>>;

interface State {
  readonly Status?: string;
  readonly Running?: boolean;
  /** Docker: between an exit and the next start, while `Running` is true. */
  readonly Restarting?: boolean;
  readonly ExitCode?: number;
  readonly OOMKilled?: boolean;
  readonly Error?: string;
  readonly StartedAt?: string;
}

/** The state of a container from what `inspect` printed in {@link STATE_FORMAT}. */
export function stateFrom(printed: string): ContainerState {
  const answer = parseJson(Buffer.from(printed.trim())) as unknown;
  const [state, image, restarts, found] = answer as [State, string, number, Labels | null];
  const {
    [labels.specification]: specification,
    [labels.site]: site,
    [labels.release]: release,
  } = found ?? {};
  const running = state.Running === true && state.Restarting !== true;
  // Go's zero time stands for a container that was never started.
  const started = state.StartedAt?.startsWith('0001-') ? undefined : state.StartedAt;
  return {
    state: running ? 'running' : 'stopped',
    detail: detailOf(state, running, started !== undefined, restarts),
    ...(started === undefined ? {} : { startedAt: new Date(started).toISOString() }),
    image: image.replace(/^sha256:/, ''),
    restarts,
    ...(specification === undefined ? {} : { specification }),
    ...(site === undefined ? {} : { site }),
    ...(release === undefined ? {} : { release }),
  };
}

function detailOf(state: State, running: boolean, wasStarted: boolean, restarts: number): string {
  const parts: string[] = [];
  if (!wasStarted) parts.push(`${state.Status}, never started`);
  else if (!running) parts.push(`${state.Status}, exit code ${state.ExitCode}`);
  if (state.OOMKilled === true) parts.push('out of memory');
  if (state.Error !== undefined && state.Error !== '') parts.push(state.Error);
  if (restarts > 0) parts.push(`restarted ${restarts} times`);
  return parts.join(', ');
}
