import { parseJson } from '../../core/json.ts';
import { counted } from '../../core/text.ts';
import type { RenderedService } from '../../format/containers.ts';
import { labels } from './container-arguments.ts';
import {
  type ContainerSettings,
  type EngineSettings,
  foundSettings,
  type ImageDefaults,
  type InspectedContainer,
  neededSettings,
} from './container-settings.ts';
import { imageDrift, settingsDrift } from './drift.ts';
import type { ContainerState } from './engine.ts';

/** A container without what only its service can tell. */
export interface FoundContainer {
  readonly state: Omit<ContainerState, 'drift'>;
  readonly settings: ContainerSettings;
}

interface Inspected extends InspectedContainer {
  readonly State?: State;
  readonly RestartCount?: number;
}

interface State {
  readonly Status?: string;
  readonly Running?: boolean;
  /** Docker: between an exit and the next start, while `Running` is true. */
  readonly Restarting?: boolean;
  readonly ExitCode?: number;
  readonly OOMKilled?: boolean;
  readonly Error?: string;
  readonly StartedAt?: string;
  readonly FinishedAt?: string;
  readonly Pid?: number;
}

/** A container from what `inspect` of podman or docker printed. */
export function containerFrom(printed: string): FoundContainer {
  const [container] = parseJson(Buffer.from(printed)) as unknown as [Inspected];
  const { State: state = {}, Image: image, RestartCount: restarts = 0 } = container;
  const {
    [labels.specification]: specification,
    [labels.site]: site,
    [labels.release]: release,
  } = container.Config?.Labels ?? {};
  const running = state.Running === true && state.Restarting !== true;
  // Go's zero time stands for a container that was never started.
  const started = state.StartedAt?.startsWith('0001-') ? undefined : state.StartedAt;
  const ended = running || state.FinishedAt?.startsWith('0001-') ? undefined : state.FinishedAt;
  return {
    settings: foundSettings(container),
    state: {
      state: running ? 'running' : 'stopped',
      detail: detailOf(state, running, started !== undefined, restarts),
      ...(started === undefined ? {} : { startedAt: new Date(started).toISOString() }),
      ...(ended === undefined ? {} : { finishedAt: new Date(ended).toISOString() }),
      ...(image === undefined ? {} : { image: image.replace(/^sha256:/, '') }),
      restarts,
      ...(running && state.Pid !== undefined && state.Pid > 0 ? { pid: state.Pid } : {}),
      ...(specification === undefined ? {} : { specification }),
      ...(site === undefined ? {} : { site }),
      ...(release === undefined ? {} : { release }),
    },
  };
}

/** The state of a service's container, with its drift. */
export function withDrift(
  service: RenderedService,
  { state, settings }: FoundContainer,
  by: { readonly image: ImageDefaults | undefined; readonly engine: EngineSettings },
): ContainerState {
  const needed = neededSettings(service, by.image, by.engine);
  const drift = [...imageDrift(service, state.image), ...settingsDrift(needed, settings, by.image)];
  return { ...state, drift };
}

function detailOf(state: State, running: boolean, wasStarted: boolean, restarts: number): string {
  const parts: string[] = [];
  if (!wasStarted) parts.push(`${state.Status}, never started`);
  else if (!running) parts.push(`${state.Status}, exit code ${state.ExitCode}`);
  if (state.OOMKilled === true) parts.push('out of memory');
  if (state.Error !== undefined && state.Error !== '') parts.push(state.Error);
  if (restarts > 0) parts.push(`restarted ${counted(restarts, 'time')}`);
  return parts.join(', ');
}
