import { StowageError } from '../../src/core/error.ts';
import type {
  RenderedImage,
  RenderedNetwork,
  RenderedService,
} from '../../src/format/containers.ts';
import { specificationOf } from '../../src/target/container/container-arguments.ts';
import { createContainerTarget } from '../../src/target/container/container-target.ts';
import type {
  ContainerEngine,
  ContainerState,
  EngineFacts,
} from '../../src/target/container/engine.ts';
import type { RanInside, Target } from '../../src/target/target.ts';

/** What an engine holds: image ids by tag, and by unit what tells a running service from its other versions. */
export interface EngineState {
  readonly images: Readonly<Record<string, string>>;
  readonly services: Readonly<Record<string, string>>;
  readonly networks?: Readonly<Record<string, boolean>>;
  readonly secrets?: Readonly<Record<string, string>>;
}

/** A call of a target method that changes something. */
export interface TargetCall {
  /** From 1, counted over changing calls only. */
  readonly number: number;
  readonly method:
    | 'loadImage'
    | 'unloadImage'
    | 'createNetwork'
    | 'removeNetwork'
    | 'placeSecret'
    | 'removeSecret'
    | 'startService'
    | 'stopService';
  readonly subject: string;
}

/** Runs at both sides of each changing call; what it throws, the call throws. */
export type CallHook = (call: TargetCall, moment: 'before' | 'after') => void;

/** An engine in memory, for faults that a real one cannot be made to show at will. */
export class FakeEngine implements ContainerEngine {
  readonly name = 'fake';
  readonly calls: TargetCall[] = [];
  hook: CallHook = () => {};
  /** What `inspectService` says of a service that runs. */
  running: (
    service: RenderedService,
  ) => Omit<ContainerState, 'drift'> & Partial<Pick<ContainerState, 'drift'>> = (service) => ({
    state: 'running',
    detail: '',
    startedAt: '2026-11-21T10:00:00Z',
    specification: specificationOf(service),
  });
  /** The units that somebody changed since they were started. */
  readonly changed: Set<string> = new Set();
  log = 'the last line of the service';
  #images: Map<string, string>;
  #services: Map<string, string>;
  #networks: Map<string, boolean>;
  #secrets: Map<string, string>;

  constructor(state: EngineState = { images: {}, services: {} }) {
    this.#images = new Map(Object.entries(state.images));
    this.#services = new Map(Object.entries(state.services));
    this.#networks = new Map(Object.entries(state.networks ?? {}));
    this.#secrets = new Map(Object.entries(state.secrets ?? {}));
  }

  state(): EngineState {
    const sorted = <T>(map: Map<string, T>): Record<string, T> =>
      Object.fromEntries([...map].toSorted(([a], [b]) => (a < b ? -1 : 1)));
    return {
      images: sorted(this.#images),
      services: sorted(this.#services),
      ...(this.#networks.size === 0 ? {} : { networks: sorted(this.#networks) }),
      ...(this.#secrets.size === 0 ? {} : { secrets: sorted(this.#secrets) }),
    };
  }

  /** Makes a service run, as if it had been started before the test began. */
  run(service: RenderedService): void {
    this.#images.set(service.image.tag, service.image.config);
    this.#services.set(service.unit, `${service.image.tag} ${service.args.join(' ')}`);
  }

  async probe(): Promise<EngineFacts> {
    return { engine: 'fake', version: '1', systemd: false, rootless: false, names: true };
  }

  async hasImage(image: RenderedImage): Promise<boolean> {
    return this.#images.get(image.tag) === image.config;
  }

  async loadImage(image: RenderedImage, depotHost: string, signal: AbortSignal): Promise<void> {
    await this.#change('loadImage', image.tag, signal, async () => {
      const response = await fetch(
        `http://${depotHost}/v2/${image.repository}/manifests/${image.manifest}`,
      );
      await response.arrayBuffer();
      if (response.status !== 200) throw failed(`the depot answered ${response.status}`);
      this.#images.set(image.tag, image.config);
    });
  }

  async unloadImage(image: RenderedImage, signal: AbortSignal): Promise<void> {
    await this.#change('unloadImage', image.tag, signal, () => this.#images.delete(image.tag));
  }

  async createNetwork({ name, internal }: RenderedNetwork, signal: AbortSignal): Promise<void> {
    await this.#change('createNetwork', name, signal, () => this.#networks.set(name, internal));
  }

  async whyUnrestricted(): Promise<string | undefined> {
    return undefined;
  }

  async removeNetwork({ name }: RenderedNetwork, signal: AbortSignal): Promise<void> {
    await this.#change('removeNetwork', name, signal, () => this.#networks.delete(name));
  }

  async hasSecret(name: string): Promise<boolean> {
    return this.#secrets.has(name);
  }

  async placeSecret(name: string, value: Uint8Array, signal: AbortSignal): Promise<void> {
    await this.#change('placeSecret', name, signal, () =>
      this.#secrets.set(name, Buffer.from(value).toString('utf8')),
    );
  }

  async removeSecret(name: string, signal: AbortSignal): Promise<void> {
    await this.#change('removeSecret', name, signal, () => this.#secrets.delete(name));
  }

  /** What a program inside a container answers. */
  inside: (service: RenderedService, command: readonly string[]) => RanInside = () => ({
    status: 0,
    output: '',
  });

  async runInside(
    service: RenderedService,
    command: readonly string[],
    signal: AbortSignal,
  ): Promise<RanInside> {
    requireUninterrupted(signal);
    return this.inside(service, command);
  }

  async startService(service: RenderedService, signal: AbortSignal): Promise<void> {
    await this.#change('startService', service.unit, signal, () => {
      if (!this.#images.has(service.image.tag)) throw failed(`no image ${service.image.tag}`);
      this.#services.set(service.unit, `${service.image.tag} ${service.args.join(' ')}`);
      this.changed.delete(service.unit);
    });
  }

  /** Somebody stops a service with the engine's own program. */
  stopByHand(name: string): void {
    for (const unit of [...this.#services.keys()])
      if (unit.endsWith(`-${name}`)) this.#services.delete(unit);
  }

  /** Somebody publishes other ports. */
  changeByHand(name: string): void {
    for (const unit of this.#services.keys()) if (unit.endsWith(`-${name}`)) this.changed.add(unit);
  }

  async stopService(service: RenderedService, signal: AbortSignal): Promise<void> {
    await this.#change('stopService', service.unit, signal, () =>
      this.#services.delete(service.unit),
    );
  }

  async inspectService(service: RenderedService, signal: AbortSignal): Promise<ContainerState> {
    requireUninterrupted(signal);
    const there = this.#services.has(service.unit);
    if (!there) return { state: 'absent', detail: '', drift: [] };
    const { release, site } = service;
    const ports = { field: 'ports', expected: '127.0.0.1:18000:80', found: '127.0.0.1:18009:80' };
    return {
      drift: this.changed.has(service.unit) ? [ports] : [],
      release,
      ...(site === undefined ? {} : { site }),
      ...this.running(service),
    };
  }

  async logs(): Promise<string> {
    return this.log;
  }

  async followLogs(
    _: RenderedService,
    __: number,
    write: (bytes: Uint8Array) => void,
  ): Promise<void> {
    write(Buffer.from(`${this.log}\n`));
  }

  async #change(
    method: TargetCall['method'],
    subject: string,
    signal: AbortSignal,
    effect: () => unknown,
  ): Promise<void> {
    requireUninterrupted(signal);
    const call: TargetCall = { number: this.calls.length + 1, method, subject };
    this.calls.push(call);
    this.hook(call, 'before');
    await effect();
    this.hook(call, 'after');
  }
}

/** A target whose containers are in memory. */
export type FakeTarget = Target & { readonly engine: FakeEngine };

export function fakeTarget(state?: EngineState): FakeTarget {
  const engine = new FakeEngine(state);
  return { ...createContainerTarget(engine), engine };
}

/** The error that engines fail with. */
export function failed(message: string, found?: string): StowageError {
  const hint = 'look at the engine';
  return new StowageError('engine-failed', message, {
    hint,
    ...(found === undefined ? {} : { found }),
  });
}

function requireUninterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw new StowageError('interrupted', 'interrupted', { hint: 'run again' });
}
