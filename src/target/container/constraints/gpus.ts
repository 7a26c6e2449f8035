import { coerce, satisfies } from 'semver';
import { formatBytes } from '../../../core/text.ts';
import type { GpuNeeds } from '../../../format/deployment.ts';
import type { Constraint, DeployedRelease } from '../../../format/plan.ts';
import { arrivals, releaseText } from '../../change.ts';
import { containerDevices, type FoundGpus, findGpus, type Gpu } from '../../host/gpus.ts';
import { gpuDevices } from '../container-arguments.ts';
import type { EngineFacts } from '../engine.ts';
import { containersOf } from '../workload.ts';
import type { ContainerConstraintInput } from './constraint.ts';

/**
 * The host has enough suitable GPUs that no other release reserves, and containers can use them. A release needs the
 * number in its manifest, or else the sum of what its services request.
 */
export async function gpus(input: ContainerConstraintInput): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  const found = new Map<GpuNeeds['vendor'], FoundGpus>();
  for (const { bundle, release } of arrivals(input.change)) {
    const count = gpusOf(input, release);
    if (count === 0) continue;
    const need = bundle.requires.host?.gpu ?? { vendor: 'nvidia', count };
    const { vendor } = need;
    const answer = found.get(vendor) ?? (await findGpus(vendor, input.host, input.signal));
    found.set(vendor, answer);
    constraints.push(enough(input, release, need, answer));
    constraints.push(...(await deviceConstraint(input, release)));
  }
  return constraints;
}

function enough(
  input: ContainerConstraintInput,
  release: DeployedRelease,
  need: GpuNeeds,
  answer: FoundGpus,
): Constraint {
  const others = input.change.to.releases.filter((each) => each.name !== release.name);
  const taken = others.reduce((sum, each) => sum + gpusOf(input, each), 0);
  const minimum = [
    ...(need.memory === undefined ? [] : [`${formatBytes(need.memory)} of memory`]),
    ...(need.computeCapability === undefined
      ? []
      : [`compute capability ${need.computeCapability}`]),
    ...(need.driver === undefined ? [] : [`driver ${need.driver}`]),
  ];
  const common = {
    rule: 'gpu',
    needs: `${amount(need.count)} of ${need.vendor}${minimum.length === 0 ? '' : ` with ${minimum.join(', ')} or more`} for ${releaseText(release)}`,
  };
  if ('why' in answer) return { ...common, satisfied: false, found: answer.why };
  const good = answer.gpus.filter((each) => suits(each, need));
  const counted = taken === 0 ? '' : `; ${taken} reserved by other releases`;
  const poor = answer.gpus.filter((each) => !good.includes(each)).map(describe);
  const list = poor.length === 0 ? '' : `; unsuitable: ${poor.slice(0, 8).join('; ')}`;
  return {
    ...common,
    satisfied: good.length - taken >= need.count,
    found: `${amount(good.length)} suitable${counted}${list}`,
  };
}

/** Containers get GPUs by the names in a specification of the vendor. */
async function deviceConstraint(
  input: ContainerConstraintInput,
  release: DeployedRelease,
): Promise<Constraint[]> {
  if (!takesNames(input.facts)) return [];
  const names = new Set(containersOf(release).services.flatMap(gpuDevices));
  if (names.size === 0) return [];
  const there = await containerDevices(input.host);
  const lacking = [...names].filter((name) => !there.has(name));
  return [
    {
      rule: 'gpu',
      satisfied: lacking.length === 0,
      needs: `container devices ${[...names].join(', ')} for ${releaseText(release)}, as nvidia-ctk cdi generate defines them`,
      found:
        lacking.length === 0
          ? 'all of them'
          : `no ${lacking.join(', ')} in /etc/cdi or /var/run/cdi`,
    },
  ];
}

/** Docker before 28.3 uses NVIDIA's runtime instead. */
function takesNames({ engine, version }: EngineFacts): boolean {
  return engine === 'podman' || (engine === 'docker' && satisfies(coerce(version) ?? '', '>=28.3'));
}

/** How many GPUs a release reserves; `all` counts as one. */
function gpusOf(
  { change: { bundles } }: ContainerConstraintInput,
  release: DeployedRelease,
): number {
  const { services } = containersOf(release);
  if (services.length === 0) return 0;
  const said = bundles.get(release.bundle)?.requires.host?.gpu?.count;
  const asked = services.map(({ gpus: each }) => (each === 'all' ? 1 : (each ?? 0)));
  return said ?? asked.reduce((sum, each) => sum + each, 0);
}

function suits(gpu: Gpu, need: GpuNeeds): boolean {
  return (
    (need.memory === undefined || (gpu.memory ?? 0) >= need.memory) &&
    reaches(gpu.computeCapability, need.computeCapability) &&
    reaches(gpu.driver, need.driver)
  );
}

/** Whether a dotted version is at least another, number by number: 550.100 is above 550.54. */
function reaches(found: string | undefined, least: string | undefined): boolean {
  if (least === undefined) return true;
  if (found === undefined) return false;
  const have = found.split('.').map(Number);
  const want = least.split('.').map(Number);
  for (const [index, number] of want.entries()) {
    const difference = (have[index] ?? 0) - number;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

function describe(gpu: Gpu): string {
  const parts = [
    gpu.memory === undefined ? 'memory unknown' : formatBytes(gpu.memory),
    ...(gpu.computeCapability === undefined ? [] : [`compute capability ${gpu.computeCapability}`]),
    gpu.driver === undefined ? 'driver unknown' : `driver ${gpu.driver}`,
  ];
  return `${gpu.name} (${parts.join(', ')})`;
}

function amount(count: number): string {
  return count === 1 ? '1 GPU' : `${count} GPUs`;
}
