import { describe, expect, it } from 'vitest';
import { policyFinding } from '../../../../src/target/kubernetes/doctor/examine-probes.ts';

describe('when pods tried a policy for each direction', () => {
  it.each([
    [
      true,
      true,
      'right',
      /^enforced in both directions: .*, between pods on n1 and n2$/,
      undefined,
    ],
    [false, false, 'doubt', /^not enforced: /, /reach the services, and the services can connect/],
    [
      true,
      false,
      'doubt',
      /^enforced for incoming connections only: /,
      /^the services can connect/,
    ],
    [false, true, 'doubt', /^enforced for outgoing connections only: /, /^every pod .*services: /],
  ] as const)('judges ingress %s, egress %s', (ingress, egress, verdict, found, hint) => {
    const finding = policyFinding({ ingress, egress, nodes: ['n1', 'n2'] });
    expect(finding).toMatchObject({ verdict, found: expect.stringMatching(found) });
    if (hint === undefined) expect(finding.hint).toBeUndefined();
    else expect(finding.hint).toMatch(hint);
  });
});
