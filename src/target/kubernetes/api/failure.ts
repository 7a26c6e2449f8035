import { StowageError } from '../../../core/error.ts';
import { fieldsOf, listOf, textOf } from '../../../core/json.ts';
import { oneLine } from '../../../core/text.ts';

/** An answer of the API server. */
export interface RawResponse {
  readonly status: number;
  readonly retryAfter?: string;
  /** The clock of the server. */
  readonly date?: string;
  readonly body: string;
  /** What expired of the credentials, for status 401. */
  readonly expired?: string;
}

/** A response of the API server that is not a success. */
export interface ApiFailure {
  /** HTTP status. */
  readonly status: number;
  /** Such as `Forbidden`, `AlreadyExists`, `Conflict`. */
  readonly reason: string;
  readonly message: string;
  readonly causes: readonly FailureCause[];
  /** Seconds until the next attempt. */
  readonly retryAfter?: number;
  /** What expired of the credentials, for status 401. */
  readonly expired?: string;
}

/** One field that the server refuses. */
export interface FailureCause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

const MAX_MESSAGE = 1000;

/** A `Status` object; a proxy between may answer with anything. */
export function apiFailure({ status, body, retryAfter, expired }: RawResponse): ApiFailure {
  const { reason, message, details } = fieldsOf(parsed(body));
  const seconds = Number(retryAfter);
  return {
    status,
    reason: textOf(reason) ?? '',
    message: oneLine(textOf(message) ?? body, MAX_MESSAGE),
    causes: listOf(fieldsOf(details)['causes'])
      .slice(0, 100)
      .map((each) => ({
        reason: textOf(each['reason']) ?? '',
        message: oneLine(textOf(each['message']) ?? '', MAX_MESSAGE),
        field: oneLine(textOf(each['field']) ?? '', MAX_MESSAGE),
      })),
    ...(Number.isInteger(seconds) && seconds > 0 ? { retryAfter: seconds } : {}),
    ...(expired === undefined ? {} : { expired }),
  };
}

/** Whether an error is a request that the account has no right to. */
export function isForbidden(error: unknown): boolean {
  return error instanceof StowageError && fieldsOf(error.cause)['status'] === 403;
}

/** The manager and the field of each conflict of a server-side apply. */
export function conflictsOf({ causes }: ApiFailure): { field: string; manager: string }[] {
  return causes
    .filter(({ reason }) => reason === 'FieldManagerConflict')
    .map(({ field, message }) => ({
      field,
      manager: /conflict with "([^"]*)"/.exec(message)?.[1] ?? message,
    }));
}

/** The error for a request that the server refused. `what` is what was requested, such as `apply Deployment a/b`. */
export function refusedRequest(what: string, failure: ApiFailure): StowageError {
  const { causes } = failure;
  const conflicts = conflictsOf(failure);
  return new StowageError('engine-failed', `the cluster refused to ${what}`, {
    expected: conflicts.length > 0 ? 'fields that nobody else manages' : 'a success',
    found:
      conflicts.length > 0
        ? conflicts.map(({ field, manager }) => `${manager} manages ${field}`).join('; ')
        : failureText(failure),
    hint: hintFor(failure, conflicts.length > 0),
    defects: causes.map(({ field, message: text }) => (field === '' ? text : `${field}: ${text}`)),
    cause: failure,
  });
}

/** Why the server refused a request, in the words of a person who operates the site. */
export function failureText(failure: ApiFailure): string {
  const { status, message, expired } = failure;
  if (status === 401)
    return expired ?? `the cluster does not accept the credentials of the kubeconfig: ${message}`;
  if (isMissingApi(failure)) return 'the server does not have this API';
  const webhook = /failed calling webhook "([^"]+)"/.exec(message)?.[1];
  if (webhook !== undefined) return `the admission webhook ${webhook} does not answer: ${message}`;
  return message === '' ? `status ${status}` : message;
}

/** Whether the server lacks the API of a request, and not only its object. */
export function isMissingApi({ status, message }: ApiFailure): boolean {
  return status === 404 && /could not find the requested resource|page not found/.test(message);
}

function hintFor(failure: ApiFailure, conflict: boolean): string {
  const { status, message } = failure;
  if (conflict)
    return 'remove the change of the other manager, or let it delete the object: ownership is never forced';
  if (status === 401)
    return 'renew the credentials in the kubeconfig: the cluster does not accept them';
  if (/because it is being terminated/.test(message))
    return 'wait until the namespace is gone; then run the same command again';
  if (status === 403)
    return /exceeded quota/.test(message)
      ? 'ask the owner of the cluster for a larger quota'
      : 'ask the owner of the cluster for this right; manifests/KUBERNETES.md has the Role';
  if (isMissingApi(failure))
    return 'compare with "kubectl api-versions": this Kubernetes is too old or too new for this version of Stowage';
  if (/failed calling webhook/.test(message))
    return 'ask the owner of the cluster to repair or remove this webhook; then run the same command again';
  if (status === 404) return 'check with kubectl that the namespace and this API exist';
  return 'fix the problem in this message; kubectl shows more of the object';
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
