import { digestHex } from '../../core/digest.ts';
import { parseJson } from '../../core/json.ts';
import { counted, oneLine } from '../../core/text.ts';
import type { RenderedService } from '../../format/containers.ts';
import type { EgressRules } from '../host/egress-rules.ts';
import type { Drift } from '../target.ts';
import { labels } from './container-arguments.ts';
import {
  type ContainerSettings,
  type EngineSettings,
  foundSettings,
  type ImageDefaults,
  type InspectedContainer,
  neededSettings,
} from './container-settings.ts';
import type { ContainerState } from './engine.ts';

/** Engines set these in every container. */
const ENGINE_VARIABLES: ReadonlySet<string> = new Set([
  ...['HOME', 'HOSTNAME', 'NOTIFY_SOCKET', 'PATH', 'TERM', 'container'],
]);
const MAX_TEXT = 300;

/**
 * Each field in which a container differs from what its service needs. Values of variables are not repeated: a value
 * that someone set by hand can be a secret. Pure.
 */
export function settingsDrift(
  needed: ContainerSettings,
  found: ContainerSettings,
  image: ImageDefaults | undefined,
): Drift[] {
  const drift = [
    ...Object.entries(needed.texts).flatMap(([field, text]) => {
      const actual = found.texts[field];
      return actual === undefined || actual === text ? [] : [differs(field, text, actual)];
    }),
    ...commandDrift(needed, found),
    ...environmentDrift(needed, found, image),
    ...memoryDrift(needed, found),
  ];
  // The fields explain a difference better than the command that caused it.
  return drift.length > 0 ? drift : createdByDrift(needed, found);
}

/** The container was made from another image than the service's. */
export function imageDrift({ image }: RenderedService, found: string | undefined): Drift[] {
  const id = digestHex(image.config);
  return found === undefined || found === id ? [] : [differs('image', id, found)];
}

export function differs(field: string, expected: string, found: string): Drift {
  return { field, expected: oneLine(expected, MAX_TEXT), found: oneLine(found, MAX_TEXT) };
}

function commandDrift(needed: ContainerSettings, found: ContainerSettings): Drift[] {
  if (needed.command === undefined || found.command === undefined) return [];
  return alike(needed.command, found.command)
    ? []
    : [differs('arguments', words(needed.command), words(found.command))];
}

function memoryDrift(
  { memory: wanted = [] }: ContainerSettings,
  { memory: found }: ContainerSettings,
): Drift[] {
  const missing = found === undefined ? [] : wanted.filter((path) => !found.includes(path));
  return missing.map((path) => differs(`memory mount ${path}`, 'mounted', 'none'));
}

function environmentDrift(
  needed: ContainerSettings,
  found: ContainerSettings,
  image: ImageDefaults | undefined,
): Drift[] {
  if (found.env === undefined) return [];
  const wanted = variables(needed.env ?? []);
  const actual = variables(found.env);
  const changed = [...wanted].flatMap(([name, value]) => {
    const now = actual.get(name);
    if (now === value) return [];
    const why = now === undefined ? 'not set' : 'another value';
    return [differs(`environment ${name}`, 'the value of the generation', why)];
  });
  const defaults = variables(image?.env ?? []);
  const added = [...actual]
    .filter(([name, value]) => !wanted.has(name) && image !== undefined && isAdded(name, value))
    .map(([name]) => differs(`environment ${name}`, 'not set', 'a value'));
  return [...changed, ...added];

  function isAdded(name: string, value: string): boolean {
    if (defaults.has(name)) return defaults.get(name) !== value;
    if (ENGINE_VARIABLES.has(name)) return false;
    // The settings of this host's engine may add variables to every container.
    const { createdBy } = found;
    return createdBy === undefined || createdBy.some((word) => word.includes(name));
  }
}

function createdByDrift({ createdBy: wanted }: ContainerSettings, found: ContainerSettings) {
  const { createdBy: actual } = found;
  if (wanted === undefined || actual === undefined || alike(wanted, actual)) return [];
  const at = wanted.findIndex((word, index) => word !== actual[index]);
  const from = Math.max(0, (at === -1 ? wanted.length : at) - 1);
  const part = (list: readonly string[]): string => words(list.slice(from, from + 3)) || 'nothing';
  return [differs('engine options', part(wanted), part(actual))];
}

function variables(env: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    env.map((each) => {
      const mark = each.indexOf('=');
      return mark < 0 ? [each, ''] : [each.slice(0, mark), each.slice(mark + 1)];
    }),
  );
}

function alike(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((word, index) => word === b[index]);
}

function words(list: readonly string[]): string {
  return list
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word)))
    .join(' ');
}

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
  const { Id: id, State: state = {}, Image: image, RestartCount: restarts = 0 } = container;
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
      ...(id === undefined || id === '' ? {} : { id }),
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

/** The state, with drift if the packet rules of the service's network are not those that it needs. */
export async function withRules(
  { networks: [network = ''], egress }: RenderedService,
  state: ContainerState,
  rules: EgressRules,
  signal: AbortSignal,
): Promise<ContainerState> {
  if (egress === undefined || (await rules.holds(network, egress, signal)) !== false) return state;
  const missing = differs('egress rules', `those of network ${network}`, 'other rules, or none');
  return { ...state, drift: [...state.drift, missing] };
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
