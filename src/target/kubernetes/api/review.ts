import { fieldsOf, textOf } from '../../../core/json.ts';
import type { Cluster } from './cluster.ts';
import { refusedRequest } from './failure.ts';
import { severalAtOnce } from './several-at-once.ts';

/** One verb on one resource; without a namespace it is for the whole cluster. */
export interface Right {
  readonly verb: string;
  readonly group: string;
  /** Such as `pods` or `pods/log`. */
  readonly resource: string;
  readonly namespace?: string;
}

const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';

/** What the account may do of these rights. @throws StowageError `engine-failed` */
export async function reviewRights(
  cluster: Cluster,
  wanted: readonly Right[],
  signal: AbortSignal,
): Promise<{ readonly allowed: Right[]; readonly denied: Right[] }> {
  const all = [...new Map(wanted.map((each) => [rightText(each), each])).values()];
  const may = await severalAtOnce(all, (each) => isAllowed(cluster, each, signal));
  return {
    allowed: all.filter((_, index) => may[index] === true),
    denied: all.filter((_, index) => may[index] !== true),
  };
}

async function isAllowed(cluster: Cluster, each: Right, signal: AbortSignal): Promise<boolean> {
  const { verb, group, namespace } = each;
  const [resource = '', subresource] = each.resource.split('/');
  const answer = await cluster.create(
    REVIEWS,
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: {
        resourceAttributes: {
          ...{ verb, group, resource },
          ...(subresource === undefined ? {} : { subresource }),
          ...(namespace === undefined ? {} : { namespace }),
        },
      },
    },
    signal,
  );
  if (answer.failure !== undefined) throw refusedRequest('review the rights', answer.failure);
  return fieldsOf(answer.object['status'])['allowed'] === true;
}

/** A right in words, such as `create deployments.apps in chat`. */
export function rightText({ verb, group, resource, namespace }: Right): string {
  const what = group === '' ? resource : `${resource}.${group}`;
  return `${verb} ${what}${namespace === undefined ? '' : ` in ${namespace}`}`;
}

const WHO = '/apis/authentication.k8s.io/v1/selfsubjectreviews';

/** The name of the account; undefined for a server before 1.28, which does not say it. */
export async function accountName(
  cluster: Cluster,
  signal: AbortSignal,
): Promise<string | undefined> {
  const object = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const answer = await cluster.create(WHO, object, signal);
  return textOf(fieldsOf(fieldsOf(answer.object?.['status'])['userInfo'])['username']);
}
