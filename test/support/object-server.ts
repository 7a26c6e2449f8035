import {
  ObjectApi,
  type Placed,
  resourcePath,
} from '../../src/target/kubernetes/api/object-api.ts';

// biome-ignore lint/suspicious/noExplicitAny: objects as a server has them
type Any = any;

/** A refusal of the server. Without one the request is done. */
export interface Refusal {
  readonly status: number;
  readonly reason?: string;
  readonly message?: string;
  /** The fields that are refused. */
  readonly fields?: readonly string[];
}

export interface ObjectServer {
  readonly api: ObjectApi;
  /** Such as `PUT`. */
  readonly methods: string[];
  object(): Any;
}

/**
 * An API server with at most one object, which keeps the rules of a real one for versions: a write with another
 * `resourceVersion` than that of the object is refused, as is a JSON patch whose test fails.
 * @param refuse what the server does not accept, and whatever happens before a request
 */
export function objectServer(
  placed: Placed,
  before: object | undefined,
  refuse: (method: string, body: Any, server: { object: Any }) => Refusal | undefined = () =>
    undefined,
): ObjectServer {
  let version = 1;
  const server: { object: Any } = { object: undefined };
  const store = (object: Any): Any => {
    version += 1;
    const metadata = { ...object.metadata, resourceVersion: String(version) };
    server.object = { ...object, metadata };
    return { object: structuredClone(server.object) };
  };
  if (before !== undefined) store(before);
  const methods: string[] = [];
  const path = resourcePath(placed.resource, placed.namespace, placed.name);
  const send = async (_: string, request: { method: string; path: string; body?: string }) => {
    const { method, body: text = 'null' } = request;
    methods.push(method);
    const body = JSON.parse(text);
    const refusal = refuse(method, body, server);
    if (refusal !== undefined) return refused(refusal);
    const { object } = server;
    const own = request.path.split('?')[0] === path;
    if (method === 'POST' && object !== undefined)
      return refused({ status: 409, reason: 'AlreadyExists' });
    if (method === 'POST') return store(body);
    if (object === undefined || !own) return refused({ status: 404 });
    if (method === 'GET') return { object: structuredClone(object) };
    if (method === 'PUT')
      return body.metadata.resourceVersion === object.metadata.resourceVersion
        ? store(body)
        : refused({ status: 409, reason: 'Conflict' });
    const next = structuredClone(object);
    for (const { op, path: at, value } of body) {
      const names: string[] = at.split('/').slice(1);
      const last = names.pop() ?? '';
      const holder = names.reduce((of, name) => of[name], next);
      if (op === 'test' && holder[last] !== value)
        return refused({ status: 422, reason: 'Invalid' });
      holder[last] = value;
    }
    return store(next);
  };
  return { api: new ObjectApi({ send } as never), methods, object: () => server.object };
}

function refused({ status, reason = '', message = '', fields = [] }: Refusal): Any {
  const causes = fields.map((field) => ({ reason: 'FieldValueForbidden', message: '', field }));
  return { failure: { status, reason, message, causes } };
}
