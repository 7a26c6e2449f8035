import type { Fields } from '../../core/json.ts';
import type { Service } from '../../format/service.ts';
import { type Owner, podSelector, type Unnamed } from './labels.ts';

/** A pod whose replicas run on different nodes or in different zones, as `spread` of its service says. */
export function spreadPod(
  { spread = [] }: Service,
  pod: Fields,
  { name, owner }: { readonly name: string; readonly owner: Owner },
): Fields {
  if (spread.length === 0) return pod;
  const topologySpreadConstraints = spread.map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'DoNotSchedule',
    // Nodes whose taints the pods do not tolerate would count as empty, and nothing could run anywhere.
    nodeTaintsPolicy: 'Honor',
    labelSelector: { matchLabels: podSelector(name, owner) },
  }));
  return { ...pod, topologySpreadConstraints };
}

/** The PodDisruptionBudget of a service: how many of its pods may be away while nodes are drained. Without a name yet. */
export function disruptionBudget({ disruption }: Service, name: string, owner: Owner): Unnamed[] {
  if (disruption === undefined) return [];
  return [
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      spec: {
        maxUnavailable: disruption,
        selector: { matchLabels: podSelector(name, owner) },
        // A pod that never got ready holds no drain up.
        unhealthyPodEvictionPolicy: 'AlwaysAllow',
      },
    },
  ];
}
