import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const CERTS = '/etc/containerd/certs.d';

export interface RegistryHost {
  /** `ADDRESS:PORT` of a registry with TLS. */
  readonly address: string;
  /** The PEM file of the authority that issued its certificate. */
  readonly ca: string;
  /** What containerd sends with each request, such as `Authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The rules of several containerds for registries (containerd docs/hosts.md): each reads its folder at every pull. */
export class RegistryHosts {
  private readonly folders: readonly string[];

  constructor(folders: readonly string[]) {
    this.folders = folders;
  }

  /** Has them trust a registry where an image names it. */
  trust(registry: RegistryHost): void {
    const server = `server = "https://${registry.address}"\n`;
    for (const folder of this.folders) write(join(folder, registry.address), registry, server);
  }

  /** Has them ask a registry for the images of all others; these stay a fallback, which no node can reach. */
  mirror(registry: RegistryHost): void {
    for (const folder of this.folders) write(join(folder, '_default'), registry, '');
  }

  /** Writes files that were made for `/etc/containerd/certs.d`, with its path replaced by that of each folder. */
  install(files: readonly { readonly path: string; readonly text: string }[]): void {
    for (const folder of this.folders)
      for (const { path, text } of files) {
        const file = path.replace(CERTS, folder);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, text.replaceAll(CERTS, folder), { mode: 0o600 });
      }
  }

  /** Removes every such rule. */
  clear(): void {
    for (const folder of this.folders)
      for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  }
}

function write(folder: string, { address, ca, headers = {} }: RegistryHost, before: string): void {
  mkdirSync(folder, { recursive: true });
  copyFileSync(ca, join(folder, 'ca.crt'));
  const lines = Object.entries(headers).map(([name, value]) => `    ${name} = "${value}"\n`);
  const header =
    lines.length === 0 ? '' : `  [host."https://${address}".header]\n${lines.join('')}`;
  writeFileSync(
    join(folder, 'hosts.toml'),
    `${before}[host."https://${address}"]
  capabilities = ["pull", "resolve"]
  ca = "${join(folder, 'ca.crt')}"
${header}`,
    { mode: 0o600 },
  );
}
