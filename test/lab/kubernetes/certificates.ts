import { mkdirSync, writeFileSync } from 'node:fs';
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

  /** A client certificate whose time was yesterday. */
  async issueExpired(name: string, subject: string): Promise<CertificateFiles> {
    const files = this.at(name);
    const signing = join(this.folder, `${name}.csr`);
    const subjectOf = ['-subj', subject, '-keyout', files.key, '-out', signing];
    await run('openssl', ['req', '-new', ...KEY, ...subjectOf]);
    const database = join(this.folder, `${name}.index`);
    const config = join(this.folder, `${name}.cnf`);
    writeFileSync(database, '');
    writeFileSync(
      config,
      `[ca]\ndefault_ca = lab\n[lab]\ndatabase = ${database}\nnew_certs_dir = ${this.folder}\ndefault_md = sha256\nrand_serial = yes\npolicy = any\nx509_extensions = client\n[any]\nO = optional\nCN = supplied\n[client]\nextendedKeyUsage = clientAuth\n`,
    );
    const day = (ago: number): string =>
      `${new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 19).replace(/[-T:]/g, '')}Z`;
    await run('openssl', [
      ...['ca', '-batch', '-notext', '-config', config, '-in', signing, '-out', files.certificate],
      ...['-cert', this.files.certificate, '-keyfile', this.files.key],
      ...['-startdate', day(2), '-enddate', day(1)],
    ]);
    return files;
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
