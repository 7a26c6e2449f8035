import { fieldsOf, textOf } from '../../../core/json.ts';
import type { KubernetesObject } from '../../../format/kubernetes.ts';
import { type Constraint, POWERS } from '../../../format/plan.ts';
import { releaseText } from '../../change.ts';
import { type ApiFailure, conflictsOf, failureText } from '../api/failure.ts';
import { type Placed, placedText } from '../api/object-api.ts';
import { severalAtOnce } from '../api/several-at-once.ts';
import { isInstaller } from '../objects/adopt.ts';
import { isHookOfHelm } from '../objects/set-hooks.ts';
import { isAdoptable, isOurs, isSecret, makerOf } from '../objects/set-owner.ts';
import { isDefinition, setsOf } from '../objects/sets.ts';
import { templateSpec } from '../workload-kinds.ts';
import type { ClusterConstraintInput } from './constraint.ts';
import { type ReleaseSurvey, type Surveyed, surveyObjects } from './object-survey.ts';

/** Where objects are tried whose own namespace does not exist yet. */
const STAND_IN = 'default';
/** Objects that a text names. */
const MAX_NAMED = 10;
const MAX_POWERS_TEXT = 1900;

/** Each kind of the charts and objects is one that the server has, or that the release defines. */
export async function objectKinds(input: ClusterConstraintInput): Promise<Constraint[]> {
  return (await surveyObjects(input)).map(({ release, objects }) => {
    const unknown = objects.filter(({ resource }) => resource === undefined);
    const names = new Set(
      unknown.map(({ object: { kind, apiVersion } }) => `${kind} (${apiVersion})`),
    );
    return {
      rule: 'kind',
      satisfied: names.size === 0,
      needs: `a cluster that has every kind of object of ${releaseText(release)}`,
      found:
        names.size === 0
          ? 'every kind is served, or defined by the release'
          : `it does not have ${listed([...names])}; install what defines them first`,
    };
  });
}

/**
 * What the objects of each chart may do beyond their namespace, and how its pods are confined if not as usual: for a person to
 * read, and never violated.
 */
export async function objectPowers(input: ClusterConstraintInput): Promise<Constraint[]> {
  return (await surveyObjects(input)).flatMap(({ release, workload }) => {
    const { namespace, podSecurity } = workload;
    const weaker =
      podSecurity === undefined
        ? []
        : [
            {
              ...{ rule: POWERS, satisfied: true },
              needs: `how namespace ${namespace} of ${releaseText(release)} confines pods`,
              found: `PodSecurity ${podSecurity} instead of restricted`,
            },
          ];
    return [
      ...weaker,
      ...setsOf(workload)
        .filter(({ powers }) => powers.length > 0)
        .map(({ name, powers }) => ({
          ...{ rule: POWERS, satisfied: true },
          needs: `what ${name} of ${releaseText(release)} may do beyond its namespace`,
          found: withinLimit(powers),
        })),
    ];
  });
}

/** As many as fit into a constraint. The plan has all of them in its generation. */
function withinLimit(powers: readonly string[]): string {
  const shown: string[] = [];
  let length = 0;
  for (const each of powers) {
    length += each.length + 2;
    if (length > MAX_POWERS_TEXT) break;
    shown.push(each);
  }
  const more = powers.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more, in the workload of the plan`] : [])].join(
    '; ',
  );
}

/** Every object is in a namespace that the release owns or makes, and only where the site allows it in none. */
export async function objectPlaces(input: ClusterConstraintInput): Promise<Constraint[]> {
  const { clusterScoped = true } = input.settings.kubernetes ?? {};
  return (await surveyObjects(input)).flatMap(({ release, objects, namespaces }) => {
    const foreign = objects.filter(
      ({ placed }) => placed?.namespace !== undefined && !namespaces.has(placed.namespace),
    );
    const wide = objects.filter(({ resource }) => resource?.namespaced === false);
    const names = (some: readonly Surveyed[]): string =>
      listed(some.flatMap(({ placed }) => (placed === undefined ? [] : placedText(placed))));
    return [
      {
        rule: 'object-namespace',
        satisfied: foreign.length === 0,
        needs: `objects of ${releaseText(release)} only in ${[...namespaces].join(', ')}`,
        found:
          foreign.length === 0
            ? 'no object in any other namespace'
            : `${names(foreign)}: the release neither owns nor creates this namespace; leave the object out with without:`,
      },
      ...(clusterScoped
        ? []
        : [
            {
              rule: 'cluster-scoped',
              satisfied: wide.length === 0,
              needs: `no object of ${releaseText(release)} outside of namespaces, as kubernetes.clusterScoped in site.yaml says`,
              found: wide.length === 0 ? 'none' : names(wide),
            },
          ]),
    ];
  });
}

/** No object belongs to somebody else, unless the release adopts it. */
export async function objectOwners(input: ClusterConstraintInput): Promise<Constraint[]> {
  return (await surveyObjects(input)).map(({ release, workload, objects }) => {
    const existing = objects.filter(
      ({ found, known, object }) =>
        found !== undefined && !known && !isOurs(found, workload, object),
    );
    const taken = existing.filter((each) => !isAdoption(each));
    const text = ({ placed, found }: Surveyed): string =>
      placed === undefined || found === undefined
        ? ''
        : `${placedText(placed)} belongs to ${makerOf(found)}`;
    const secrets = taken.filter(({ set, object }) => set.adopt === true && isSecret(object));
    const remedy =
      secrets.length > 0
        ? 'remove them: a Secret is not adopted, because the site would have to keep its content'
        : 'remove them, or use a release with adopt: true, which restores them when it is uninstalled';
    return {
      rule: 'object-owner',
      satisfied: taken.length === 0,
      needs: `objects of ${releaseText(release)} that nobody else owns`,
      found:
        taken.length > 0
          ? `${listed(taken.map(text))}; ${remedy}`
          : existing.length > 0
            ? `adopted, and restored by an uninstall, except for hooks of Helm: ${listed(existing.map(text))}`
            : 'none of them belongs to another owner',
    };
  });
}

/** Whether a release adopts an object of another owner. One with the name of a hook is replaced and not restored. */
function isAdoption({ set, object, found, isHook }: Surveyed): boolean {
  if (set.adopt !== true || found === undefined) return false;
  return isHook ? isHookOfHelm(found) : isAdoptable(found, object);
}

/**
 * The server accepts every object in a dry run. What an object is whose definition arrives with it, only its definition can tell:
 * that is not proven before.
 */
export async function objectAdmission(input: ClusterConstraintInput): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  for (const survey of await surveyObjects(input)) {
    const { release } = survey;
    // A hook that is there is removed before its successor is made.
    const tried = survey.objects.filter(
      ({ served, isHook, found }) => served && !(isHook && found !== undefined),
    );
    const unproven = survey.objects.filter(
      ({ served, resource }) => !served && resource !== undefined,
    );
    const exists = await existingNamespaces(survey, input);
    const refused = (await severalAtOnce(tried, (each) => refusalOf(each, exists, input))).flatMap(
      (each) => each ?? [],
    );
    const kinds = new Set(unproven.map(({ object: { kind } }) => kind));
    constraints.push({
      rule: 'object-admission',
      satisfied: refused.length === 0,
      needs: `the cluster accepts every object of the charts of ${releaseText(release)}`,
      found:
        refused.length > 0
          ? listed(refused)
          : [
              `${tried.length} accepted in a dry run`,
              ...(survey.namespaces.size === exists.size
                ? []
                : [`in namespace ${STAND_IN} where their own does not exist yet`]),
              ...(kinds.size === 0
                ? []
                : [`not proven until their definition exists: ${listed([...kinds])}`]),
            ].join('; '),
    });
  }
  return constraints;
}

async function existingNamespaces(
  { namespaces }: ReleaseSurvey,
  { cluster, signal }: ClusterConstraintInput,
): Promise<ReadonlySet<string>> {
  const found = await severalAtOnce([...namespaces], async (name) => {
    const { failure } = await cluster.tryGet({ kind: 'Namespace', name }, signal);
    return failure?.status === 404 ? [] : [name];
  });
  return new Set(found.flat());
}

/** Why the server refuses an object; undefined if it accepts it. */
async function refusalOf(
  { object, placed, set, found, known }: Surveyed,
  exists: ReadonlySet<string>,
  { api, signal }: ClusterConstraintInput,
): Promise<string | undefined> {
  if (placed === undefined) return undefined;
  const standsIn = placed.namespace !== undefined && !exists.has(placed.namespace);
  const place = standsIn ? { ...placed, namespace: STAND_IN } : placed;
  const { failure } = await api.tryApply(place, object, signal, { dryRun: true });
  if (failure === undefined)
    return standsIn ? undefined : podRefusal(object, place, { api, signal });
  if (isUntried(failure)) return undefined;
  const conflicts = conflictsOf(failure);
  if (conflicts.length === 0) return `${placedText(placed)}: ${failureText(failure)}`;
  // An object of that name in another namespace says nothing; that of another owner is a rule of its own.
  if (standsIn || (found !== undefined && !known && set.adopt !== true)) return undefined;
  const others =
    set.adopt === true
      ? conflicts.filter(({ manager }) => !isInstaller(managerIn(manager)))
      : conflicts;
  if (others.length === 0) return undefined;
  const fields = others.map(({ field, manager }) => `${manager} manages ${field}`).join(', ');
  return `${placedText(placed)}: ${fields}: undo that change, or delete the object`;
}

/** PodSecurity judges pods, and not what makes them. */
async function podRefusal(
  object: KubernetesObject,
  { namespace }: Placed,
  { api, signal }: Pick<ClusterConstraintInput, 'api' | 'signal'>,
): Promise<string | undefined> {
  const spec = templateSpec(object);
  if (spec === undefined || object.kind === 'Pod' || namespace === undefined) return undefined;
  const pod = {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: object.metadata.name, namespace } },
    // Its own account may arrive with it.
    spec: { ...spec, serviceAccountName: 'default', serviceAccount: 'default' },
  };
  const resource = { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespaced: true };
  const place = { resource, namespace, name: object.metadata.name };
  const { failure } = await api.tryApply(place, pod, signal, { dryRun: true });
  if (failure === undefined || !/violates PodSecurity/.test(failure.message)) return undefined;
  return `a pod of ${object.kind} ${object.metadata.name}: ${failureText(failure)}`;
}

/** Objects of namespaces and roles that arrive with it. */
function isUntried({ status, message }: ApiFailure): boolean {
  return status === 404 && /namespaces? "[^"]*" not found/.test(message);
}

function managerIn(text: string): string {
  return text.split(' ')[0] ?? '';
}

/** The start of a list, and how many more there are. */
function listed(all: readonly string[]): string {
  const more = all.length - MAX_NAMED;
  return `${all.slice(0, MAX_NAMED).join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

/** A definition that exists in the cluster, and what the release makes of it. */
export interface ChangedDefinition {
  readonly name: string;
  readonly before: object;
  readonly after: KubernetesObject;
}

/** The definitions of a survey that exist already. */
export function existingDefinitions({ objects }: ReleaseSurvey): ChangedDefinition[] {
  return objects.flatMap(({ object, found }) => {
    if (found === undefined || !isDefinition(object)) return [];
    return [
      { name: textOf(fieldsOf(found['metadata'])['name']) ?? '', before: found, after: object },
    ];
  });
}
