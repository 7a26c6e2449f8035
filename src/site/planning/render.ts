import { createHash } from 'node:crypto';
import type { Digest } from '../../core/digest.ts';
import { type DeployedRelease, noWorkload, type RenderedText } from '../../format/plan.ts';
import type { RenderedObjects } from '../../format/rendered-objects.ts';
import type { Service } from '../../format/service.ts';
import type { Site } from '../../format/site.ts';
import type { Target } from '../../target/target.ts';
import type { Release } from '../release/release.ts';
import { fillTemplate, parameterValues } from './parameters.ts';

/** What a release is rendered with. */
export interface RenderContext {
  readonly settings: Site;
  readonly siteId: string;
  readonly target: Pick<Target, 'render'>;
  /** The absolute folder of the release's files. */
  readonly files: string;
  /** Such as `linux/amd64`. */
  readonly platform: string;
  /** The text of each file that a service uses as a template, by its name. */
  readonly templates: ReadonlyMap<string, string>;
  /** The stored name of each secret of the release. */
  readonly secretNames: ReadonlyMap<string, string>;
  /** The secrets among them that the target itself needs. */
  readonly ownSecrets: readonly string[];
  /** As in `RenderInput` of the target. */
  readonly cars?: ReadonlyMap<string, Digest>;
  readonly contents?: ReadonlyMap<string, Uint8Array>;
  readonly objects?: ReadonlyMap<string, RenderedObjects>;
}

/** A release without a workload: the site only serves it, or its bundle has no services. */
export function renderServed({ id, bundle }: Release): DeployedRelease {
  const { name, version, seq } = bundle;
  const nothing = { secrets: [], texts: [], workload: noWorkload, acceptance: [] };
  return { name, version, seq, bundle: id, ...nothing };
}

/**
 * A release with all values filled in, as generations keep it. Its values were checked before.
 * @throws StowageError `site-invalid`
 */
export function renderRelease({ id, bundle }: Release, context: RenderContext): DeployedRelease {
  const { settings, target, secretNames, templates, ownSecrets, ...place } = context;
  const { name, version, seq, services, acceptance } = bundle;
  const values = parameterValues(name, bundle.parameters, settings);
  const fill = (text: string): string => fillTemplate(text, values);
  const texts = templatesUsed(services).map((template) => renderText(template, templates, fill));
  const rendered = new Map(texts.map(({ template, sha256, text }) => [template, { sha256, text }]));
  return {
    ...{ name, version, seq, bundle: id },
    secrets: secretsUsed(services, ownSecrets).map((secret) => ({
      name: nameOf(secret, secretNames),
      secret,
    })),
    texts: [...new Map(texts.map(({ sha256, text }) => [sha256, { sha256, text }])).values()],
    workload: target.render({ ...place, bundle, settings, fill, rendered, secretNames }),
    acceptance,
  };
}

function secretsUsed(services: readonly Service[], own: readonly string[]): string[] {
  const names = services.flatMap((each) => each.secrets.map(({ secret }) => secret));
  return [...new Set([...names, ...own])].toSorted();
}

function nameOf(secret: string, names: RenderContext['secretNames']): string {
  const name = names.get(secret);
  if (name === undefined) throw new Error(`secret ${secret} passed the schema but has no name`);
  return name;
}

function templatesUsed(services: readonly Service[]): string[] {
  const mounts = services.flatMap((each) => each.mounts);
  return [...new Set(mounts.flatMap((each) => ('template' in each ? [each.template] : [])))];
}

function renderText(
  template: string,
  templates: RenderContext['templates'],
  fill: (text: string) => string,
): RenderedText & { readonly template: string } {
  const source = templates.get(template);
  if (source === undefined) throw new Error(`template ${template} was not read`);
  const text = fill(source);
  return { template, sha256: createHash('sha256').update(text).digest('hex'), text };
}
