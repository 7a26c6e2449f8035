import { StowageError } from '../core/error.ts';
import { type Fields, fieldsOf, textOf } from '../core/json.ts';
import { counted, formatNumber } from '../core/text.ts';
import type { DerivedSetting } from '../format/derived.ts';
import { type Finding, type Rule, severityOf } from '../format/finding.ts';
import type { LockedBlob } from '../format/locked-content.ts';
import { programsOf } from '../format/placement.ts';
import type { Service } from '../format/service.ts';

/** Layers that every engine unpacks: docker stacks 125, podman 128. */
export const MAX_STACKED_LAYERS = 125;
/** The kernel's own limit for overlay file systems. */
const MAX_OVERLAY_LAYERS = 500;

/** An image for one platform, with its config as it was parsed. */
export interface ExaminedImage {
  /** Its name in the manifest. */
  readonly name: string;
  /** `registry/repository`. */
  readonly repository: string;
  readonly platform: string;
  /** Whether neither index nor config states the platform. */
  readonly assumed: boolean;
  readonly layers: readonly LockedBlob[];
  readonly config: unknown;
  /** The services of the release that run it. */
  readonly services: readonly Service[];
}

/**
 * What its manifest and config show about how engines will unpack and run an image.
 * @throws StowageError `source-unsupported` for an image that no engine unpacks
 */
export function examineImage(image: ExaminedImage): Finding[] {
  const { name, repository, platform, assumed, layers, config, services } = image;
  requireUnpackable(image);
  const finding = (rule: Rule, message: string, source = name, offer?: string): Finding => ({
    ...{ source, file: source === name ? repository : '*' },
    ...{ rule, severity: severityOf(rule), message, ...(offer === undefined ? {} : { offer }) },
  });
  const findings: Finding[] = [];
  if (assumed)
    findings.push(
      finding('image-platform', `its config does not state its platform; ${platform} was assumed`),
    );
  if (layers.length > MAX_STACKED_LAYERS)
    findings.push(finding('image-layers', `${formatNumber(layers.length)} layers for ${platform}`));
  if (layers.some(({ mediaType }) => /\bzstd$/.test(mediaType)))
    findings.push(finding('image-zstd', `layers compressed with zstd for ${platform}`));
  const own = fieldsOf(fieldsOf(config)['config']);
  for (const service of services) {
    const { variables = {}, message = '' } = lackingVariables(service, own) ?? {};
    // What the manifest leaves open is derived; what it sets is for its author to change.
    const wrong = Object.entries(variables).filter(([key]) => Object.hasOwn(service.env, key));
    if (wrong.length === 0) continue;
    const env = wrong.map((each) => each.join(': '));
    const offer = `services:\n  - name: ${service.name}\n    env: { ${env.join(', ')} }\n`;
    findings.push(finding('service-user', message, service.name, offer));
  }
  return findings;
}

/** The variables that the services of an image need and neither the manifest nor the image sets. */
export function derivedVariables({
  config,
  services,
}: Pick<ExaminedImage, 'config' | 'services'>): DerivedSetting[] {
  const own = fieldsOf(fieldsOf(config)['config']);
  return services.flatMap((service) => {
    const { variables = {}, message: reason = '' } = lackingVariables(service, own) ?? {};
    return Object.entries(variables)
      .filter(([name]) => !Object.hasOwn(service.env, name))
      .map(
        ([name, value]): DerivedSetting => ({
          ...{ service: service.name, field: name === 'HOME' ? 'env.HOME' : 'env.USER' },
          ...{ value, reason },
        }),
      );
  });
}

function requireUnpackable({ repository, layers, config }: ExaminedImage): void {
  const diffs = fieldsOf(fieldsOf(config)['rootfs'])['diff_ids'];
  const listed = Array.isArray(diffs) ? diffs.length : 0;
  const refuse = (expected: string, found: string, hint: string): StowageError =>
    new StowageError('source-unsupported', `container engines do not unpack ${repository}`, {
      ...{ expected, found, hint },
    });
  if (listed !== layers.length) {
    throw refuse(
      `a config that lists the ${counted(layers.length, 'layer')} of its manifest`,
      `${counted(listed, 'layer')} in its config`,
      'use a container image; download the content of an artifact (oras pull) and add it under "files"',
    );
  }
  if (layers.length > MAX_OVERLAY_LAYERS) {
    throw refuse(
      `at most ${MAX_OVERLAY_LAYERS} layers`,
      counted(layers.length, 'layer'),
      'flatten the image, for example with podman build --squash-all',
    );
  }
}

/** Server kinds that are Python programs. */
const PYTHON_SERVERS = ['vllm', 'sglang', 'tgi', 'nim', 'triton'];
/** Where a service can always write, whatever its root. */
const WRITABLE = ['/tmp', '/var/tmp', '/run'];

/**
 * The variables that a Python server misses when its user has no writable home or no entry in `/etc/passwd`: torch and
 * vLLM look both up, and end with `getpwuid(): uid not found`.
 */
function lackingVariables(
  service: Service,
  own: Fields,
): { readonly variables: Readonly<Record<string, string>>; readonly message: string } | undefined {
  const imageEnv = variablesOf(own['Env']);
  if (!isPython(service, own, imageEnv)) return undefined;
  const env = { ...imageEnv, ...service.env };
  const imageUser = textOf(own['User'], 256) ?? '';
  const user = service.user === 'image' ? imageUser : service.user;
  const uid = user.split(':', 1)[0] ?? '';
  const home = env['HOME'] ?? (service.user === 'image' ? undefined : '/');
  const volumes = Object.keys(fieldsOf(own['Volumes']));
  const memory = service.mounts.flatMap((each) => ('memory' in each ? each.path : []));
  const writable = [...WRITABLE, ...volumes, ...memory];
  const isRoot = ['', '0', 'root'].includes(uid);
  const noHome =
    home === undefined
      ? service.readOnlyRoot
      : (service.readOnlyRoot || !isRoot) &&
        !writable.some((path) => home === path || home.startsWith(`${path}/`));
  const named = ['LOGNAME', 'USER', 'LNAME', 'USERNAME'].some((each) => env[each] !== undefined);
  const unknown = /^[1-9][0-9]*$/.test(uid) && uid !== imageUser.split(':', 1)[0] && !named;
  if (!noHome && !unknown) return undefined;
  const homeText =
    home === undefined
      ? 'its home folder is not writable'
      : `HOME is ${home}, which is not writable`;
  return {
    variables: { ...(noHome && { HOME: '/tmp' }), ...(unknown && { USER: 'stowage' }) },
    message: [
      ...(noHome ? [homeText] : []),
      ...(unknown
        ? [`uid ${uid} is not the user of the image and may have no entry in its /etc/passwd`]
        : []),
    ].join('; '),
  };
}

function isPython(service: Service, own: Fields, env: Readonly<Record<string, string>>): boolean {
  const programs = programsOf(service).flatMap(({ entrypoint, args }) => [entrypoint, ...args]);
  const words = [...programs, own['Entrypoint'], own['Cmd']].flat();
  return (
    PYTHON_SERVERS.includes(service.health?.server ?? '') ||
    Object.keys(env).some((name) => /^(?:PYTHON|CONDA|VIRTUAL_ENV)/.test(name)) ||
    words.some((each) => /python|vllm|sglang/.test(textOf(each, 4096) ?? ''))
  );
}

function variablesOf(list: unknown): Record<string, string> {
  const texts = Array.isArray(list) ? list.flatMap((each) => textOf(each, 65_536) ?? []) : [];
  return Object.fromEntries(
    texts.map((each) => {
      const [name = '', ...value] = each.split('=');
      return [name, value.join('=')];
    }),
  );
}
