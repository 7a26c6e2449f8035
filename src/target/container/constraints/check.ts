import type { Constraint } from '../../../format/plan.ts';
import type { ContainerConstraintInput } from './constraint.ts';
import { gpus } from './gpus.ts';
import { memory } from './memory.ts';
import { containerNames } from './names.ts';
import { ports } from './ports.ts';
import { engine, kernel, names, platform, processor } from './system.ts';

/** What a person can decide without a visit to the host comes first. */
const rules = [
  platform,
  engine,
  names,
  kernel,
  processor,
  memory,
  gpus,
  containerNames,
  ports,
] as const;

/** What a person can judge from outside, and may override for a while. */
export const overridableRules = ['kernel', 'engine', 'cpu', 'memory', 'gpu'] as const;

/** What must hold on this host before containers are changed: every rule's answer, satisfied or not. */
export async function containerConstraints(input: ContainerConstraintInput): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  for (const rule of rules) constraints.push(...(await rule(input)));
  return constraints;
}
