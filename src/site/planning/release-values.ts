import { StowageError } from '../../core/error.ts';
import { nearest } from '../../core/text.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { Defect } from '../../format/defect.ts';
import { refuseDefects } from '../../format/document.ts';
import { isPlace } from '../../format/egress.ts';
import { type Site, siteKind } from '../../format/site.ts';
import { currentGeneration } from '../generations.ts';
import { listReleases } from '../release/release.ts';
import type { SiteContext, SiteFolder } from '../site-folder.ts';
import { fillTemplate, parameterDefects, parameterValues } from './parameters.ts';
import { type SecretDefect, secretDefects, withOwnSecrets } from './secrets.ts';

/** The fields of `site.yaml` that have a member for each release. */
const BY_RELEASE = ['parameters', 'secrets', 'confirmed', 'egress', 'with'] as const;

const PARAMETER = /\$\{parameters\.([a-zA-Z0-9]+)\}/;

/** What `site.yaml` lacks or has wrong for a release. */
export interface ValueFaults {
  /** Names every value that is missing, unknown or of another type, with file and line. */
  readonly error?: StowageError;
  /** Names that may be that of the release misspelt, in an error that need not be one. */
  readonly misspelt?: StowageError;
}

/**
 * Checks what `site.yaml` sets for a release: every parameter and secret has a value.
 * @param written the settings of the site
 */
export async function checkValues(
  bundle: Bundle,
  written: Site,
  { site, target, env = {} }: SiteContext,
): Promise<ValueFaults> {
  const { name, parameters } = bundle;
  const own = target.ownSecrets?.(written) ?? new Map();
  const settings = withOwnSecrets(written, name, own);
  const misspelt = await misspeltReleases(name, written, site);
  const wrong = parameterDefects(name, parameters, settings);
  const defects = [
    ...(wrong.length === 0
      ? [...portDefects(bundle, settings), ...placeDefects(bundle, settings)]
      : wrong),
    ...unknownServices(bundle, settings),
    ...(await secretDefects(bundle, site, settings, { env, own: [...own.keys()] })),
  ];
  if (defects.length > 0) return { error: await refusal(name, [...misspelt, ...defects], site) };
  return misspelt.length === 0 ? {} : { misspelt: await refusal(name, misspelt, site) };
}

/** {@link checkValues}, which warns of misspelt names. @throws StowageError `site-invalid` */
export async function requireValues(
  bundle: Bundle,
  written: Site,
  context: SiteContext,
): Promise<void> {
  const { error, misspelt } = await checkValues(bundle, written, context);
  if (error !== undefined) throw error;
  for (const message of misspelt?.defects ?? [])
    context.emit({ type: 'warning', message, hint: misspelt?.hint ?? '' });
}

/** Each parameter whose value is that of a port and cannot be one. */
function portDefects({ name: release, parameters, services }: Bundle, settings: Site): Defect[] {
  const values = parameterValues(release, parameters, settings);
  return services.flatMap(({ name, ports }) =>
    ports.flatMap(({ name: port, host }): Defect[] => {
      const [, parameter] = PARAMETER.exec(String(host)) ?? [];
      const value = fillTemplate(String(host), values);
      if (parameter === undefined || isPort(value)) return [];
      const message = `expected a number from 1 to 65535 for port ${port} of ${name}, found ${value}`;
      return [{ path: ['parameters', release, parameter], message }];
    }),
  );
}

/** Each parameter that says where a service may connect to, and is no address. */
function placeDefects({ name: release, parameters, services }: Bundle, settings: Site): Defect[] {
  const values = parameterValues(release, parameters, settings);
  return services.flatMap(({ name, egress = [] }) =>
    egress.flatMap(({ to }): Defect[] => {
      const [, parameter] = PARAMETER.exec(to) ?? [];
      const value = fillTemplate(to, values);
      if (parameter === undefined || isPlace(value)) return [];
      const message = `expected an address or a network that ${name} may connect to, found ${value}: a name is not resolved`;
      return [{ path: ['parameters', release, parameter], message }];
    }),
  );
}

/** The services to which `site.yaml` opens something, and which the release does not have. */
function unknownServices({ name: release, services }: Bundle, { egress = {} }: Site): Defect[] {
  const names = services.map(({ name }) => name);
  return Object.keys(Object.hasOwn(egress, release) ? (egress[release] ?? {}) : {})
    .filter((name) => !names.includes(name))
    .map((name) => ({
      path: ['egress', release, name],
      message: `release ${release} has no service ${name}: it has ${names.join(', ') || 'none'}`,
      atKey: true,
    }));
}

function isPort(text: string): boolean {
  const value = Number(text);
  return Number.isInteger(value) && value >= 1 && value <= 65_535;
}

async function misspeltReleases(
  release: string,
  settings: Site,
  site: SiteFolder,
): Promise<Defect[]> {
  const near = BY_RELEASE.flatMap((field) =>
    Object.keys(settings[field] ?? {})
      .filter((name) => name !== release && nearest(name, [release]) !== undefined)
      .map((name) => ({ field, name })),
  );
  if (near.length === 0) return [];
  const imported = (await listReleases(site)).releases.map(({ bundle }) => bundle.name);
  const installed = (await currentGeneration(site)).releases.map(({ name }) => name);
  const known = new Set([...imported, ...installed]);
  return near
    .filter(({ name }) => !known.has(name))
    .map(({ field, name }) => ({
      path: [field, name],
      message: `this site has no release ${name}; did you mean ${release}?`,
      atKey: true,
    }));
}

async function refusal(
  release: string,
  defects: readonly SecretDefect[],
  site: SiteFolder,
): Promise<StowageError> {
  const locate = await site.locate();
  const { code, found = '', hint, defects: lines } = refuseDefects(siteKind, defects, locate);
  const correct =
    locate === undefined
      ? `create ${site.file} with these fields; the last section of OPERATOR.txt in the bundle shows all of it`
      : hint;
  const remedy = defects.find((each) => found.endsWith(each.message))?.remedy;
  return new StowageError(code, `site.yaml does not fit release ${release}`, {
    expected: 'a value of the right type for each parameter and secret of the release',
    found,
    hint: remedy === undefined ? correct : `${remedy}, or ${correct}`,
    defects: lines,
  });
}
