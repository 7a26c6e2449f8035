import { momentOf } from '../../format/field.ts';
import type { ReportTrust } from '../../format/report-trust.ts';
import { roleNames, type Trust } from '../../format/trust.ts';
import { trustRoots } from '../../trust/trust-root.ts';
import type { GivenTrust } from '../admission/trust-files.ts';
import { reportLine } from './report-line.ts';

/**
 * The roots, roles and algorithms that decided which signatures count.
 * @param trust the document that applied: the given one, or a newer one from the bundle
 */
export function describeTrust(given: GivenTrust, trust: Trust): ReportTrust {
  const roots = trustRoots(trust).map(({ name, certificate }) => ({
    name,
    subject: reportLine(certificate.subject),
    serial: certificate.serial,
    certificate: certificate.fingerprint,
    notAfter: momentOf(certificate.notAfter),
  }));
  const stood = trustRoots(given.trust).some(
    ({ certificate }) => certificate.fingerprint === given.fingerprint,
  );
  return {
    subject: reportLine(given.subject),
    fingerprint: given.fingerprint,
    kind: stood ? 'root' : 'document',
    ...(trust.version === given.trust.version ? {} : { walkedFrom: given.trust.version }),
    version: trust.version,
    issuedAt: trust.issuedAt,
    ...(trust.expiresAt === undefined ? {} : { expiresAt: trust.expiresAt }),
    algorithms: trust.algorithms,
    roles: roleNames.flatMap((name) => {
      const role = trust.roles[name];
      return role === undefined ? [] : [{ name, ...role }];
    }),
    roots,
    revoked: trust.revoked.length,
  };
}
