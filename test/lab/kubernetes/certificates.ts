import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../process.ts';

export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** An authority whose files lie in one folder: what it issues serves and asks for 30 days. */
export class CertificateAuthority {
  readonly files: CertificateFiles;
  private readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.files = this.at('ca');
  }

  static async create(folder: string): Promise<CertificateAuthority> {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const authority = new CertificateAuthority(folder);
    const usage = 'keyUsage=critical,keyCertSign,cRLSign';
    await authority.request('ca', '/CN=lab', ['-addext', usage]);
    return authority;
  }

  /**
   * @param subject such as `/O=system:nodes/CN=system:node:n1`
   * @param names such as `IP:10.77.0.1` or `DNS:n1`
   */
  async issue(
    name: string,
    subject: string,
    names: readonly string[] = [],
  ): Promise<CertificateFiles> {
    const { certificate, key } = this.files;
    return this.request(name, subject, [
      ...['-CA', certificate, '-CAkey', key, '-addext', 'basicConstraints=critical,CA:FALSE'],
      ...['-addext', 'keyUsage=critical,digitalSignature'],
      ...['-addext', 'extendedKeyUsage=clientAuth,serverAuth'],
      ...(names.length === 0 ? [] : ['-addext', `subjectAltName=${names.join(',')}`]),
    ]);
  }

  private async request(
    name: string,
    subject: string,
    more: readonly string[],
  ): Promise<CertificateFiles> {
    const files = this.at(name);
    const output = ['-keyout', files.key, '-out', files.certificate];
    await run('openssl', [
      'req',
      '-x509',
      ...KEY,
      '-subj',
      subject,
      '-days',
      '30',
      ...output,
      ...more,
    ]);
    return files;
  }

  private at(name: string): CertificateFiles {
    return { certificate: join(this.folder, `${name}.crt`), key: join(this.folder, `${name}.key`) };
  }
}
