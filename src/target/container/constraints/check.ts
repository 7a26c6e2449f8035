import type { Constraint } from '../../../format/plan.ts';
import type { ContainerConstraintInput } from './constraint.ts';
import { egress } from './egress.ts';
import { containerNames, layers, limits, policy } from './engine.ts';
import { gpus } from './gpus.ts';
import { ports } from './ports.ts';
import {
  connection,
  engine,
  kernel,
  memory,
  names,
  nodes,
  platform,
  processor,
  scaling,
} from './system.ts';

/** Rules that need no work on the host come first. */
const rules = [
  platform,
  nodes,
  scaling,
  engine,
  names,
  connection,
  kernel,
  processor,
  layers,
  memory,
  limits,
  gpus,
  policy,
  containerNames,
  ports,
  egress,
] as const;

/** Rules that a person may temporarily override. */
export const overridableRules = ['kernel', 'engine', 'cpu', 'memory', 'gpu', 'layers'] as const;

/** The result of every rule for containers on this host, satisfied or not. */
export async function containerConstraints(input: ContainerConstraintInput): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  for (const rule of rules) constraints.push(...(await rule(input)));
  return constraints;
}
