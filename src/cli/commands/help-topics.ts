import { dirname, join } from 'node:path';
import { getAsset, isSea } from 'node:sea';
import {
  type ErrorEntry,
  errorTable,
  exitStatus,
  type StatusName,
  StowageError,
  statusMeanings,
} from '../../core/error.ts';
import { MIB } from '../../core/limits.ts';
import { nearest, wrap } from '../../core/text.ts';
import { readIfThere } from '../../io/file.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { definitions, textColumns } from '../wrap.ts';

/** `stowage help errors [CODE...]`: all error codes, or the given ones in detail. */
export function helpErrors(codes: readonly string[], context: CommandContext): CommandResult {
  const columns = textColumns(context.terminal.stdout.columns);
  if (codes.length === 0)
    return { json: { errors: errorTable() }, text: wholeTable(errorTable(), columns) };
  const entries = codes.map(entryOf);
  return {
    json: { errors: entries },
    text: `${entries.map((each) => inFull(each, columns)).join('\n\n')}\n`,
  };
}

/** The codes that `stowage help errors` explains. */
export function errorNames(): string[] {
  return errorTable().map(({ code }) => code);
}

function entryOf(text: string): ErrorEntry {
  const code = text.replace(/^\[(.*)\]$/, '$1');
  const entry = errorTable().find((each) => each.code === code);
  if (entry !== undefined) return entry;
  const near = nearest(code, errorNames());
  throw usage(
    'unknown error code',
    'a code in brackets, such as part-damaged',
    text,
    near === undefined ? 'stowage help errors lists every code' : `did you mean ${near}?`,
  );
}

function meaningOf(status: number): string {
  const names = Object.keys(exitStatus) as StatusName[];
  const name = names.find((each) => exitStatus[each] === status);
  return `${status}: ${name === undefined ? 'failed' : statusMeanings[name]}`;
}

function inFull({ code, exitStatus: status, cause, remedy }: ErrorEntry, columns: number): string {
  return [
    code,
    ...definitions(
      [
        ['  exit status', meaningOf(status)],
        ['  cause', cause],
        ['  remedy', remedy],
      ],
      columns,
    ),
  ].join('\n');
}

function wholeTable(entries: readonly ErrorEntry[], columns: number): string {
  const lines: string[] = [];
  for (const status of Object.values(exitStatus)) {
    const some = entries.filter((each) => each.exitStatus === status);
    lines.push(...wrap(`exit status ${meaningOf(status)}`, columns), '');
    lines.push(
      ...definitions(
        some.map(({ code, cause, remedy }) => [`  ${code}`, cause, `remedy: ${remedy}`]),
        columns,
      ),
    );
    lines.push('');
  }
  return `${lines.join('\n')}Run "stowage help errors CODE" to show a single error.\n`;
}

/** The licenses of what is inside: a file beside the program, and inside an installer, which travels alone. */
export const NOTICES = 'THIRD-PARTY.txt';

/** `stowage help licenses`: the licenses of Stowage and of the software that it contains. */
export async function helpLicenses({ terminal }: CommandContext): Promise<CommandResult> {
  const text = isSea() ? getAsset(NOTICES, 'utf8') : await besideProgram(terminal.program);
  return { json: { licenses: text }, text };
}

async function besideProgram(program: string): Promise<string> {
  const path = join(dirname(program), NOTICES);
  const text = await readIfThere(path, 16 * MIB);
  if (text !== undefined) return text.toString();
  throw new StowageError('file-missing', 'the file with the licenses is missing', {
    expected: path,
    found: 'no such file',
    hint: 'npm run build writes it to dist; the package and the installers contain it',
  });
}

const TEXT = `site.yaml: the settings of a site

The file is in the site's folder: /var/lib/stowage for root, otherwise
$XDG_DATA_HOME/stowage (~/.local/share/stowage). A site without it has the
defaults. Unknown fields are errors. Changes take effect at the next
"stowage install" of the release. The last section of OPERATOR.txt in a bundle
is a site.yaml with every value and secret of that release. "stowage import"
lists those that the site still lacks.

  apiVersion           stowage/v1 (required)
  name                 name of the site in receipts; default: the host's name
  target               podman (default), docker, kubernetes, or depot (runs no
                       services)
  kubernetes           the cluster: required with target: kubernetes, and only
                       valid there; its fields are below
  address              IPv4 or IPv6 address, without brackets, where services
                       publish their ports; default 127.0.0.1
  channels             channels that can be imported; default [stable]
  channel              channel that the site follows: only what it has is
                       installed; default: none
  requireApproval      whether bundles need an approval signature; default false
  requirePlanApproval  whether plans need an approval signature; default false
  requireRehearsal     the rehearsal that a release needs: maxAgeDays,
                       targets (default: the site's target), exceptCharts
                       (true: of all but charts and objects); default: none
  labels               NAME: TEXT, notes for receipts
  windows              when changes may start: a list of days (mon to sun),
                       from and to (HH:MM), timeZone (default UTC)
  suppressions         when no change may start: a list of from, until, reason
  confirmed            RELEASE: MAJOR, the major version for which the values
                       were compared with the release
  parameters           RELEASE: { NAME: VALUE }
  secrets              RELEASE: { NAME: { file: PATH } } or { env: VARIABLE }
  with                 RELEASE: [PART, ...] or RELEASE: all, the optional
                       parts of it that the site has; default none
  evaluations          RELEASE: a list of name, service, model, questions,
                       thresholds and more: questions of the site
  egress               RELEASE: { SERVICE: a list of to (address or network),
                       ports, protocol (default tcp), reason }: connections
                       that the service may open, besides the manifest's

Fields of kubernetes. Only images, with its registry, is required:

  kubeconfig           absolute path; default $KUBECONFIG, or ~/.kube/config
  context              a context of it; default its current one
  namespace            an existing namespace, for every release
  namespacePrefix      otherwise, the start of the name of each release's own
                       namespace; default stowage-
  images               where nodes get images: a map of
                       registry: HOST:PORT, as nodes reach it
                       from: direct (default; from the depot), mirror (from
                       the depot, by their original names) or push (from the
                       site's own registry)
                       prefix: for push, the start of every repository
                       credentials: { file: PATH } or { env: VARIABLE }, where
                       NAME:TOKEN for the registry is
                       pullSecret: an existing pull secret instead
  weights              auto (default), image-volume, volume or local
  modelUris            what \${models.NAME.uri} in objects is: auto (default; as
                       weights says) or hub (the name in the depot's Hub)
  claim                for volume: an existing claim in the namespace
  storageClass         for volume, instead: class of the claims that are made
  accessMode           of these: ReadWriteMany (default) or ReadWriteOnce
  fill                 { image: NAME, keep: false }, both optional: a Job fills
                       the claim
  node                 for local: the name of this host in the cluster
  nodeSelector         LABEL: VALUE, which nodes must have
  tolerations          a list of key, operator, value, effect, as in a pod
  runtimeClass         RuntimeClass of every pod
  priorityClass        PriorityClass of every pod
  clients              namespaces and networks that may send requests;
                       default none
  gpus                 resource names; default { nvidia: nvidia.com/gpu,
                       amd: amd.com/gpu }
  service              ClusterIP (default), NodePort or LoadBalancer
  switch               auto (default), beside (new pods start beside the old
                       ones) or stop-first
  user                 manifest (default), or namespace where the cluster
                       assigns user IDs, as OpenShift does
  clusterScoped        whether releases may have objects outside of namespaces,
                       such as definitions and ClusterRoles; default true

Names are lower-case letters, digits and single hyphens. Example:

apiVersion: stowage/v1
name: plant-7
target: podman
channels: [stable]
windows:
  - { days: [sat, sun], from: "22:00", to: "04:00", timeZone: Europe/Berlin }
parameters:
  chat: { port: 8081 }
secrets:
  chat:
    api-key: { file: /var/lib/stowage/secrets/chat/api-key }
`;

/** `stowage help site.yaml`: the format of the file, for operators without a network. */
export function helpSite(): CommandResult {
  return { json: { text: TEXT }, text: TEXT };
}
