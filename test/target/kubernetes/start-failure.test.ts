import { describe, expect, it } from 'vitest';
import type { Pod } from '../../../src/target/kubernetes/pods.ts';
import { endText, startFailure } from '../../../src/target/kubernetes/start-failure.ts';

const pod = (values: Partial<Pod>): Pod => ({
  ...{ name: 'server-1', ready: false, deleted: false, restarts: 0, container: 'server' },
  ...values,
});
const waiting = (reason: string, message = ''): Pod => pod({ waiting: { reason, message } });
const pull = (message: string): Pod =>
  waiting('ErrImagePull', `failed to pull and unpack image "r/x@sha256:1": ${message}`);

// As kubelet 1.36 with containerd 2.3 and the scheduler word them.
describe('when a pod does not start', () => {
  it.each([
    [
      pull(
        'failed to do request: Head "https://r/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority',
      ),
      /trust the certificate/,
      false,
    ],
    [
      pull('unexpected status from HEAD request to https://r/v2/x: 401 Unauthorized'),
      /refuses the credentials/,
      true,
    ],
    [
      pull(
        'pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials',
      ),
      /refuses the credentials/,
      true,
    ],
    [pull('r/x@sha256:1: not found'), /no such image/, false],
    [
      pull('write /var/lib/containerd/x: no space left on device'),
      /disk of the node is full/,
      false,
    ],
    [
      pull('dial tcp 10.0.0.5:5443: connect: connection refused'),
      /does not reach the registry at 10\.0\.0\.5:5443: connection refused$/,
      true,
    ],
    [
      pull('dial tcp 10.0.0.5:5443: i/o timeout'),
      /does not reach the registry at 10\.0\.0\.5:5443: i\/o timeout$/,
      true,
    ],
    [
      pull('dial tcp: lookup depot.site on 10.0.0.2:53: no such host'),
      /does not reach the registry: no such host$/,
      true,
    ],
    [pull('unexpected EOF'), /does not reach the registry: EOF$/, true],
    [pull('http: server gave HTTP response to HTTPS client'), /without TLS/, false],
    [
      waiting(
        'Unschedulable',
        '0/2 nodes are available: 2 Insufficient nvidia.com/gpu. no new claims',
      ),
      /enough nvidia\.com\/gpu free/,
      true,
    ],
    [
      waiting(
        'Unschedulable',
        '0/2 nodes are available: 2 node(s) had untolerated taint {gpu: only}.',
      ),
      /the taint gpu/,
      true,
    ],
    [
      waiting(
        'Unschedulable',
        "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
      ),
      /nodeSelector/,
      true,
    ],
    [
      waiting(
        'Unschedulable',
        '0/2 nodes are available: persistentvolumeclaim "models" not found.',
      ),
      /claim models does not exist/,
      false,
    ],
    [waiting('CreateContainerConfigError', 'secret "x" not found'), /secret "x" not found/, false],
    [
      waiting(
        'CreateContainerConfigError',
        'failed to sync secret cache: timed out waiting for the condition',
      ),
      /cannot be made: failed to sync/,
      true,
    ],
    [
      waiting(
        'CreateContainerError',
        'failed to reserve container name server_server-1_0: name "server_server-1_0" is reserved for "1f"',
      ),
      /cannot be made: failed to reserve/,
      true,
    ],
    [waiting('CreateContainerError', 'context deadline exceeded'), /deadline exceeded/, true],
    [waiting('RunContainerError', 'exec: "x": executable file not found'), /not found/, false],
    [
      pod({
        waiting: { reason: 'CrashLoopBackOff', message: '' },
        ended: { reason: 'Error', exitCode: 1, message: '' },
      }),
      /again and again: exit code 1/,
      false,
    ],
    [
      pod({ ended: { reason: 'OOMKilled', exitCode: 137, message: '' } }),
      /more memory than its limit/,
      false,
    ],
  ] as const)('says why (%#)', (one, found, mayPass) => {
    expect(startFailure(one)).toMatchObject({ found: expect.stringMatching(found), mayPass });
    expect(startFailure(one)?.hint).not.toBe('');
  });

  it.each(['ContainerCreating', 'PodInitializing', ''])('waits while it is %s', (reason) => {
    expect(startFailure(waiting(reason))).toBeUndefined();
  });

  it('tells how a process ended', () => {
    expect(endText({ reason: 'OOMKilled', exitCode: 137, message: '' })).toBe(
      'exit code 137 (out of memory)',
    );
    expect(endText({ reason: 'Error', exitCode: 2, message: '' })).toBe('exit code 2');
    expect(endText({ reason: 'ContainerCannotRun', exitCode: 128, message: '' })).toBe(
      'exit code 128 (ContainerCannotRun)',
    );
  });
});
