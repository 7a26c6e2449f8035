import { type Attempt, Cluster, type Found } from '../../src/target/kubernetes/api/cluster.ts';
import type { Connection, RawRequest } from '../../src/target/kubernetes/api/connection.ts';
import { ObjectApi } from '../../src/target/kubernetes/api/object-api.ts';
import { MANAGER } from '../../src/target/kubernetes/labels.ts';

// biome-ignore lint/suspicious/noExplicitAny: objects as a server has them
type Any = any;

const KINDS: Readonly<
  Record<string, readonly (readonly [kind: string, plural: string, namespaced: boolean])[]>
> = {
  v1: [
    ['ConfigMap', 'configmaps', true],
    ['Namespace', 'namespaces', false],
    ['Pod', 'pods', true],
    ['Service', 'services', true],
  ],
  'apps/v1': [['Deployment', 'deployments', true]],
  'batch/v1': [['Job', 'jobs', true]],
  'apiextensions.k8s.io/v1': [['CustomResourceDefinition', 'customresourcedefinitions', false]],
};

/** A request that it refuses, instead of doing it. */
export interface RefusedRequest {
  readonly status: number;
  readonly message: string;
}

/**
 * An API server in memory, as far as objects of charts need one: an apply makes an object what was sent, definitions are established and
 * Jobs complete at once. What a real server decides is tested on one (`e2e/kubernetes-objects.test.ts`).
 */
export class MemoryCluster extends Cluster {
  readonly objects: Map<string, Any> = new Map();
  /** Such as `PATCH /api/v1/namespaces/gear/configmaps/a`. */
  readonly requests: string[] = [];
  /** Requests at one time, at most. */
  atOnce = 0;
  /** Called before each request is done. */
  before: (request: string) => RefusedRequest | undefined = () => undefined;
  /** Called after it, when its answer could still be lost. */
  after: (request: string) => void = () => {};
  #running = 0;
  #count = 0;

  constructor() {
    super({ server: 'https://memory.example' } as Connection);
  }

  get api(): ObjectApi {
    return new ObjectApi(this);
  }

  /** Everything there is, without what the server counts. */
  content(): Record<string, unknown> {
    return Object.fromEntries(
      [...this.objects].toSorted().map(([path, { metadata, ...rest }]) => {
        const { uid: _, resourceVersion: __, managedFields: ___, ...own } = metadata;
        return [path, { ...rest, metadata: own }];
      }),
    );
  }

  override async send(_: string, request: RawRequest): Promise<Attempt> {
    const [path = '', query = ''] = request.path.split('?');
    const said = `${request.method} ${path}`;
    this.requests.push(said);
    const refusal = this.before(said);
    if (refusal !== undefined) return refused(refusal.status, refusal.message);
    this.#running += 1;
    this.atOnce = Math.max(this.atOnce, this.#running);
    // Other requests begin meanwhile.
    await new Promise((settle) => setImmediate(settle));
    this.#running -= 1;
    const answer = this.#answer(request, path, new URLSearchParams(query));
    this.after(said);
    return answer;
  }

  #answer(request: RawRequest, path: string, query: URLSearchParams): Attempt {
    const version = path.replace(/^\/apis?\//, '');
    if (request.method === 'GET' && KINDS[version] !== undefined)
      return { object: kindsOf(version) };
    const found = this.objects.get(path);
    const body: Any = JSON.parse(request.body?.toString() ?? 'null');
    if (request.method === 'GET' && isCollection(path)) return { object: this.#list(path, query) };
    if (request.method === 'POST') return this.#store(`${path}/${body.metadata.name}`, body);
    if (request.method === 'PATCH' && request.contentType?.includes('apply') === true)
      return this.#store(path, body);
    if (found === undefined) return refused(404, 'not found');
    if (request.method === 'GET') return { object: structuredClone(found) };
    if (request.method === 'DELETE') {
      this.objects.delete(path);
      return { object: structuredClone(found) };
    }
    if (request.method === 'PUT') return this.#store(path, body);
    const next = structuredClone(found);
    for (const { op, path: at, value } of body) {
      const names: string[] = at.split('/').slice(1);
      const last = names.pop() ?? '';
      const holder = names.reduce((of, name) => of[name], next);
      if (op === 'test' && holder[last] !== value) return refused(422, 'the test fails');
      if (op !== 'test') holder[last] = value;
    }
    return this.#keep(path, next);
  }

  #list(path: string, query: URLSearchParams): Found {
    const wanted = (query.get('labelSelector') ?? '').split(',').filter(Boolean);
    const items = [...this.objects]
      .filter(([each]) => each.startsWith(`${path}/`))
      .map(([, object]) => object)
      .filter(({ metadata: { labels = {} } }) =>
        wanted.every((each) => {
          const [name = '', value] = each.split('=');
          return labels[name] === value;
        }),
      );
    return { items: structuredClone(items) };
  }

  /** A write of Stowage: it manages the object from now on, beside those who did before. */
  #store(path: string, object: Any): Attempt {
    const { managedFields = [] } = this.objects.get(path)?.metadata ?? {};
    const others = managedFields.filter(({ manager }: Any) => manager !== MANAGER);
    const own = {
      manager: MANAGER,
      operation: 'Apply',
      apiVersion: object.apiVersion,
      fieldsV1: {},
    };
    return this.#keep(path, {
      ...object,
      metadata: { ...object.metadata, managedFields: [...others, own] },
    });
  }

  #keep(path: string, object: Any): Attempt {
    this.#count += 1;
    const { uid = `uid-${this.#count}` } = this.objects.get(path)?.metadata ?? {};
    const metadata = { ...object.metadata, uid, resourceVersion: String(this.#count) };
    this.objects.set(path, { ...object, ...statusOf(object), metadata });
    return { object: structuredClone(this.objects.get(path)) };
  }
}

function isCollection(path: string): boolean {
  return Object.values(KINDS).some((kinds) =>
    kinds.some(([, plural]) => path.endsWith(`/${plural}`)),
  );
}

function kindsOf(version: string): Found {
  return {
    resources: KINDS[version]?.map(([kind, name, namespaced]) => ({ kind, name, namespaced })),
  };
}

function statusOf({ kind }: Any): object {
  const conditions = (...types: readonly string[]): object => ({
    status: { conditions: types.map((type) => ({ type, status: 'True' })) },
  });
  if (kind === 'Job') return conditions('Complete');
  if (kind === 'CustomResourceDefinition') return conditions('NamesAccepted', 'Established');
  return {};
}

function refused(status: number, message: string): Attempt {
  return { failure: { status, reason: '', message, causes: [] } } as never;
}
