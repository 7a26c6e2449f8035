import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { trustFingerprint } from '../../src/bundle/admission/trust-files.ts';
import { writeCanonical } from '../../src/format/document.ts';
import { trustKind } from '../../src/format/trust.ts';
import { shellImage } from '../target/container/shell-image.ts';
import {
  type Authority,
  makeAuthority,
  type SmallBundleOptions,
  smallBundle,
} from './small-bundle.ts';

/** What a cluster can start in a second: one server that says which release it is. */
export interface LightReleases {
  /** The trust document of the site, and its fingerprint. */
  readonly root: string;
  readonly fingerprint: string;
  /** Makes a signed bundle. @returns its folder */
  make(values: LightRelease): Promise<string>;
}

export interface LightRelease {
  /** Default `chat`. */
  readonly name?: string;
  readonly version: string;
  readonly seq: number;
  /** Members of its service, in place of the usual ones. */
  readonly service?: object;
  /** More members of its readiness check; false for none. */
  readonly health?: object | false;
  readonly services?: readonly object[];
  readonly requires?: object;
}

const PORT = 8000;
/** A server that loads for `seconds`, and ends when it is asked to. */
export const serving = (seconds = 0): string =>
  `sleep ${seconds}; busybox httpd -f -p ${PORT} -h /srv & trap "kill $!; exit 0" TERM; wait`;

/** What the script of a Job that fills a volume needs, beside a shell. */
export const FILL_PROGRAMS: readonly string[] = [
  ...['cp', 'find', 'ls', 'mkdir', 'mv', 'rm', 'sha256sum', 'stat', 'sync'],
];

/** @param programs more programs of its image */
export async function lightReleases(
  folder: string,
  programs: readonly string[] = [],
): Promise<LightReleases> {
  mkdirSync(folder, { recursive: true });
  const authority: Authority = makeAuthority();
  const layout = join(folder, 'image');
  const { image } = await shellImage(layout, 'chat', '', programs);
  const root = join(folder, 'trust.json');
  writeFileSync(root, writeCanonical(trustKind, authority.trust));
  return {
    root,
    fingerprint: trustFingerprint(authority.trust),
    async make({ name = 'chat', version, seq, service = {}, health = {}, ...rest }) {
      const options: SmallBundleOptions = {
        ...{ place: join(folder, `${name}-${version}`), authority, name, version, seq },
        image: { layout, manifest: image.manifest },
        services: rest.services ?? [lightService(service, health)],
        ...(rest.requires === undefined ? {} : { requires: rest.requires }),
      };
      return (await smallBundle(options)).folder;
    },
  };
}

/** A service that answers `/release.json` with its release and version. */
export function lightService(service: object = {}, health: object | false = {}): object {
  return {
    name: 'server',
    image: 'server',
    args: [serving()],
    mounts: [
      { model: 'tiny', path: '/models/tiny' },
      { files: 'settings', path: '/srv/release.json' },
    ],
    ports: [{ name: 'http', container: PORT, host: PORT }],
    ...(health === false
      ? {}
      : {
          health: {
            ...{ server: 'http', port: 'http', path: '/release.json' },
            ...{ startupSeconds: 60, startupLimitSeconds: 60, ...health },
          },
        }),
    ...service,
  };
}
