import type { Fields } from '../../core/json.ts';
import type { KubernetesObject } from '../../format/kubernetes.ts';
import type { Service } from '../../format/service.ts';
import type { Cluster, Found } from './api/cluster.ts';
import type { StartFailure } from './start-failure.ts';

/** The pods of a service before an object runs them. */
export interface ServicePods {
  readonly service: Service;
  /** What selects its pods, and nothing else. */
  readonly selector: Readonly<Record<string, string>>;
  /** The labels of each pod. */
  readonly labels: Readonly<Record<string, string>>;
  /** The specification of the pods that clients reach. */
  readonly pod: Fields;
  /** That of the workers of a service that spans several nodes. */
  readonly worker?: Fields;
}

/** Pods of an object that are alike. */
export interface PodTemplate {
  /** The labels and the specification of each. */
  readonly template: Fields;
  readonly count: number;
}

/** An entry in the `/etc/hosts` of a pod. */
export interface HostAlias {
  readonly ip: string;
  readonly hostnames: readonly string[];
}

/** Addresses that pods know by name. */
export interface KnownAddresses {
  /** Of the other services of the release. */
  readonly peers: readonly HostAlias[];
  /** Of the leader among the pods of the service, by the name of the service; absent where one node runs it. */
  readonly leader?: HostAlias;
}

/** What differs between the kinds of objects that run the pods of a service. */
export interface WorkloadKind {
  readonly spec: (pods: ServicePods) => Fields;
  /** What a Service selects beside the selector of the pods: those that answer requests. */
  readonly answering: Readonly<Record<string, string>>;
  /** The pods that answer requests come first. */
  readonly templates: (spec: Fields) => readonly [PodTemplate, ...PodTemplate[]];
  /** A specification whose pods know these addresses. */
  readonly withAddresses: (object: KubernetesObject, known: KnownAddresses) => Fields;
  /** How many replicas are of the present template and ready. */
  readonly ready: (found: Found) => number;
  /** Why its controller makes no pods; undefined if it only takes its time. */
  readonly withoutPods: (
    cluster: Cluster,
    found: Found,
    signal: AbortSignal,
  ) => Promise<StartFailure | undefined>;
}
