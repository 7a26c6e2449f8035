import { join } from 'node:path';
import { CertificateAuthority } from './certificates.ts';

/**
 * The arguments with which kube-apiserver passes requests on to the servers of other APIs, as kubeadm sets them: such a server believes who
 * asks if the certificate is of an authority that issues nothing else (kubernetes.io docs tasks/extend-kubernetes/configure-aggregation-layer).
 */
export async function aggregationArguments(folder: string): Promise<string[]> {
  const authority = await CertificateAuthority.create(join(folder, 'front-proxy'));
  const { certificate, key } = await authority.issue('client', '/CN=front-proxy-client');
  return [
    `--requestheader-client-ca-file=${authority.files.certificate}`,
    '--requestheader-allowed-names=front-proxy-client',
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    ...[`--proxy-client-cert-file=${certificate}`, `--proxy-client-key-file=${key}`],
    // No kube-proxy runs where it does: it connects to what the endpoints of a Service name.
    '--enable-aggregator-routing=true',
  ];
}
