import type { Pod } from './pods.ts';

/** Why a pod does not start, in the words of a person who operates the site. */
export interface StartFailure {
  readonly found: string;
  readonly hint: string;
  /** Whether waiting can help: a node may get free, a registry may come back. */
  readonly mayPass: boolean;
}

type Rule = readonly [pattern: RegExp, failure: (match: RegExpExecArray) => StartFailure];

const wait = (found: string, hint: string): StartFailure => ({ found, hint, mayPass: true });
const end = (found: string, hint: string): StartFailure => ({ found, hint, mayPass: false });

const ABSENT = /not found|manifest unknown|404/;
/** What answers at once and again the same: nothing listens there, or there is no such name or route. */
const UNREACHABLE = /no such host|connection refused|no route to host|network is unreachable/;

/** What the kubelet and the runtime say about an image. */
const pulls: readonly Rule[] = [
  [
    /x509|certificate signed by unknown authority|tls: failed to verify/,
    () =>
      end(
        'the node does not trust the certificate of the registry',
        'give the certificate authority to the runtime of every node: stowage depot --print-config',
      ),
  ],
  [
    /http: server gave HTTP response to HTTPS client/,
    () =>
      end(
        'the registry answers without TLS',
        'serve the depot with --tls-certificate and --tls-key',
      ),
  ],
  [
    // A node is also refused while its kubelet cannot read the pull secret, because the API server is away; then it tries again.
    /401 Unauthorized|authentication required|authorization failed|403 Forbidden|insufficient_scope|denied/,
    () =>
      wait(
        'the registry refuses the credentials of the node',
        'set kubernetes.images.credentials or pullSecret in site.yaml to a token that may read',
      ),
  ],
  [
    ABSENT,
    () =>
      end(
        'the registry has no such image',
        'check that the depot serves this site, or push the release: stowage push REGISTRY',
      ),
  ],
  [
    /no space left on device|disk quota exceeded/,
    () =>
      end('the disk of the node is full', 'free space where the runtime of the node stores images'),
  ],
  [
    new RegExp(
      `(?:dial tcp (\\S+): (?:connect: )?)?(${UNREACHABLE.source}|i/o timeout|deadline exceeded|connection reset|EOF)`,
    ),
    ([, address, reason = '']) =>
      wait(
        `the node does not reach the registry${address === undefined ? '' : ` at ${address}`}: ${reason}`,
        'check that the depot or registry runs, and that nodes reach kubernetes.images.registry',
      ),
  ],
];

/** What the kubelet says when the API server or the runtime did not answer it in time; it tries again. */
const TOO_LATE =
  /failed to sync \S+ cache|timed out|deadline exceeded|connection refused|is reserved for|Unavailable/;

/** What the scheduler says. */
const placements: readonly Rule[] = [
  [
    /Insufficient (\S+?)[.,]?(?:\s|$)/,
    ([, resource = 'capacity']) =>
      wait(
        `no node has enough ${resource} free`,
        'free capacity, or set kubernetes.switch to stop-first if the old pods hold it',
      ),
  ],
  [
    /untolerated taint \{?([^}\s]+)/,
    ([, taint = '']) =>
      wait(
        `every node that would fit has the taint ${taint.replace(/[:}].*$/, '')}`,
        'add a toleration under kubernetes.tolerations in site.yaml',
      ),
  ],
  [
    /didn't match Pod's node affinity\/selector|didn't match node selector/,
    () =>
      wait(
        'no node has the labels that kubernetes.nodeSelector and the platform of the image require',
        'correct kubernetes.nodeSelector in site.yaml, or label a node',
      ),
  ],
  [
    /persistentvolumeclaim "([^"]+)" not found/,
    ([, claim = '']) =>
      end(
        `claim ${claim} does not exist`,
        'create the claim, or correct kubernetes.claim in site.yaml',
      ),
  ],
  [
    /unbound immediate PersistentVolumeClaims/,
    () =>
      wait(
        'a claim has no volume',
        'check the storage class and its provisioner with kubectl describe pvc',
      ),
  ],
];

/** Whether a failed pull means that the registry answered, accepted the credentials and has no such image. */
export function isAbsentImage(message: string): boolean {
  return pulls.find(([pattern]) => pattern.test(message))?.[0] === ABSENT;
}

/** Whether a failed pull means that there is no connection to the registry, which a second try would not have either. */
export function isUnreachable(message: string): boolean {
  return UNREACHABLE.test(message);
}

/** Why this pod is not running; undefined if it only takes its time. */
export function startFailure(pod: Pod): StartFailure | undefined {
  const { waiting, ended } = pod;
  if (waiting !== undefined) {
    const { reason, message } = waiting;
    switch (reason) {
      case 'ErrImagePull':
      case 'ImagePullBackOff':
      case 'InvalidImageName':
      case 'ErrImageNeverPull':
      case 'RegistryUnavailable':
        return matched(pulls, message, () =>
          wait(`the node cannot pull the image: ${message || reason}`, 'see the events of the pod'),
        );
      case 'Unschedulable':
        return matched(placements, message, () =>
          wait(`no node fits: ${message}`, 'see the events of the pod'),
        );
      case 'CreateContainerConfigError':
      case 'CreateContainerError':
      case 'RunContainerError':
        return (TOO_LATE.test(message) ? wait : end)(
          `the container cannot be made: ${message}`,
          'see the events of the pod',
        );
      case 'CrashLoopBackOff':
        return end(
          `the process exits again and again${ended === undefined ? '' : `: ${endText(ended)}`}`,
          'the log of the service says why; send it to the release engineer',
        );
    }
  }
  if (ended !== undefined && ended.reason === 'OOMKilled')
    return end(
      'the process used more memory than its limit',
      'ask the release engineer for a higher memory of the service',
    );
  return undefined;
}

/** How a process ended. */
export function endText({ reason, exitCode }: NonNullable<Pod['ended']>): string {
  if (reason === 'OOMKilled') return `exit code ${exitCode} (out of memory)`;
  return `exit code ${exitCode}${reason === '' || reason === 'Error' || reason === 'Completed' ? '' : ` (${reason})`}`;
}

function matched(
  rules: readonly Rule[],
  message: string,
  otherwise: () => StartFailure,
): StartFailure {
  for (const [pattern, failure] of rules) {
    const match = pattern.exec(message);
    if (match !== null) return failure(match);
  }
  return otherwise();
}
