import { coerce, satisfies } from 'semver';
import { fieldsOf, textOf } from '../../../core/json.ts';
import { MAX_OCI_MANIFEST_BYTES } from '../../../core/limits.ts';
import { counted } from '../../../core/text.ts';
import { type Constraint, IGNORED } from '../../../format/plan.ts';
import { arrivals, releaseText, servicesText } from '../../change.ts';
import { type EngineFacts, isOurs, ownerInWords } from '../engine.ts';
import { policyDefect, policyPaths } from '../image-policy.ts';
import { containersOf } from '../workload.ts';
import type { ContainerConstraintInput } from './constraint.ts';

/** The container names of arriving releases are free, or belong to this site. */
export async function containerNames(input: ContainerConstraintInput): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  for (const { release } of arrivals(input.change)) {
    for (const service of containersOf(release).services) {
      const found = await input.engine.inspectService(service, input.signal);
      if (found.state === 'absent' || isOurs(service, found)) continue;
      constraints.push({
        rule: 'name',
        satisfied: false,
        needs: `no container of another owner named ${service.unit}`,
        found: `a container that belongs to ${ownerInWords(found)}`,
      });
    }
  }
  return constraints;
}

/** Podman's own policy admits images from the depot; nothing is said where it does. */
export async function policy(input: ContainerConstraintInput): Promise<Constraint[]> {
  if (input.facts.engine !== 'podman') return [];
  const coming = arrivals(input.change).filter(({ release }) => release.workload.kind !== 'none');
  if (coming.length === 0) return [];
  for (const path of policyPaths(input.facts.home)) {
    const text = await input.host.read(path);
    if (text === undefined) continue;
    const defect = policyDefect(text);
    if (defect === undefined) return [];
    return coming.map(({ release }) => ({
      rule: 'policy',
      satisfied: false,
      needs: `a policy that lets podman pull the images of ${releaseText(release)} from a registry on this host: insecureAcceptAnything for "" under transports, docker`,
      found: `${path} ${defect}`,
    }));
  }
  return [];
}

/** The limits of services that the engine does not enforce on this host. It only tells: a plan always shows it. */
export function limits({
  change,
  facts: { ignoredLimits },
}: Pick<ContainerConstraintInput, 'change' | 'facts'>): Constraint[] {
  if (ignoredLimits === undefined) return [];
  return arrivals(change).flatMap(({ release }) => {
    const { services } = containersOf(release);
    const byLimits = Map.groupBy(services, (service) =>
      ignoredLimits.limits.filter((each) => service[each] !== undefined).join(', '),
    );
    return [...byLimits]
      .filter(([names]) => names !== '')
      .map(([names, limited]) => ({
        ...{ rule: IGNORED, satisfied: true },
        needs: `limits of ${servicesText(limited.map(({ name }) => name))} of ${releaseText(release)} (${names})`,
        found: `not enforced: ${ignoredLimits.reason}`,
      }));
  });
}

/** The most layers that an engine stacks with its overlay driver: `max depth exceeded` above. Measured with 20.10 and 4.3. */
const MAX_LAYERS: Readonly<Record<string, number>> = { overlay2: 125, overlay: 128 };
/** The first docker that unpacks layers compressed with zstd. */
const ZSTD_DOCKER = '>=23.0.0';

/** The engine unpacks the layers of the images of an arriving release; nothing is said of images that any engine unpacks. */
export async function layers(input: ContainerConstraintInput): Promise<Constraint[]> {
  const { facts, change, store } = input;
  const constraints: Constraint[] = [];
  for (const { release } of arrivals(change)) {
    const images = new Map(
      containersOf(release).services.map(({ image }) => [image.manifest, image.repository]),
    );
    for (const [manifest, repository] of images) {
      if ((await store.size(manifest)) === undefined) continue;
      const bytes = await store.read(manifest, MAX_OCI_MANIFEST_BYTES);
      const listed = fieldsOf(JSON.parse(bytes.toString('utf8')))['layers'];
      const types = (Array.isArray(listed) ? listed : []).map(
        (each) => textOf(fieldsOf(each)['mediaType'], 255) ?? '',
      );
      constraints.push(...unpacked(types, facts, `${repository} of ${releaseText(release)}`));
    }
  }
  return constraints;
}

function unpacked(types: readonly string[], facts: EngineFacts, image: string): Constraint[] {
  const { engine, version, driver = 'an unknown storage driver' } = facts;
  const found = `${engine} ${version} with ${driver}`;
  const most = MAX_LAYERS[driver];
  const smallest = Math.min(...Object.values(MAX_LAYERS));
  const isOld = engine === 'docker' && !satisfies(coerce(version) ?? '', ZSTD_DOCKER);
  return [
    ...(types.length > smallest
      ? [
          {
            rule: 'layers',
            satisfied: most === undefined || types.length <= most,
            needs: `an engine that stacks the ${counted(types.length, 'layer')} of ${image}`,
            found: most === undefined ? found : `${found}, which stacks ${most}`,
          },
        ]
      : []),
    ...(types.some((each) => /\bzstd$/.test(each))
      ? [
          {
            rule: 'layers',
            satisfied: !isOld,
            needs: `an engine that unpacks zstd, for ${image}`,
            found: isOld ? `${found}; docker unpacks zstd from 23.0 on` : found,
          },
        ]
      : []),
  ];
}
