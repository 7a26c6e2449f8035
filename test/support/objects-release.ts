import type { Bundle } from '../../src/format/bundle.ts';
import type { ObjectEndpoint, ReadyWhen } from '../../src/format/cluster-content.ts';
import type { DeployedRelease } from '../../src/format/plan.ts';
import type { RenderedObject } from '../../src/format/rendered-objects.ts';
import type { Site } from '../../src/format/site.ts';
import { bundleFrom, clusterSite, invented, workload } from '../target/kubernetes/rendered.ts';

/** A release that has objects and no services. */
export interface ObjectsRelease {
  readonly bundle: Bundle;
  readonly release: DeployedRelease;
}

export interface ObjectsOptions {
  readonly name?: string;
  readonly version?: string;
  readonly settings?: Site;
  readonly adopt?: true;
  readonly endpoint?: ObjectEndpoint;
  readonly readyWhen?: readonly ReadyWhen[];
  readonly cluster?: NonNullable<Bundle['cluster']>;
  readonly powers?: readonly string[];
  readonly images?: Bundle['images'];
  /** Sources of models by their names. */
  readonly models?: Readonly<Record<string, string>>;
}

const SET = 'things';

/** A release, `gear` by default, with one set of objects, `things`, as a site renders it. */
export function objectsRelease(
  objects: readonly RenderedObject[],
  {
    name = 'gear',
    version = '1.0.0',
    settings,
    cluster,
    images = [],
    models = {},
    ...more
  }: ObjectsOptions = {},
): ObjectsRelease {
  const manifest = `apiVersion: stowage/v1\nname: ${name}\nversion: ${version}\n`;
  const sources = Object.entries(models).map(([each, source]) => ({ name: each, source }));
  const listed = sources.length === 0 ? '' : `models: ${JSON.stringify(sources)}\n`;
  const document = { schema: 'stowage/objects/v1', objects } as const;
  const digest = invented(JSON.stringify(document));
  const { adopt, endpoint, readyWhen, powers = [] } = more;
  const bundle: Bundle = {
    ...bundleFrom(`${manifest}files: [{ name: note, source: ./note.txt }]\n${listed}`),
    schema: 'stowage/bundle/v3',
    images,
    objects: [
      {
        ...{ name: SET, source: './things', manifest: digest, renderedBy: 'kubectl v1.36.0' },
        objects: { digest, size: 1 },
        powers,
        ...(adopt === undefined ? {} : { adopt }),
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(readyWhen === undefined ? {} : { readyWhen }),
      },
    ],
    ...(cluster === undefined ? {} : { cluster }),
  };
  const rendered = workload(bundle, settings ?? clusterSite(), {
    objects: new Map([[SET, document]]),
  });
  const id = invented(JSON.stringify(bundle)).slice(7).repeat(2);
  const about = { name, version, seq: 1, bundle: id };
  return {
    bundle,
    release: { ...about, secrets: [], texts: [], acceptance: [], workload: rendered },
  };
}

/** An object as a bundle has it, without places that a site fills. */
export function plain(object: object, more: Partial<RenderedObject> = {}): RenderedObject {
  return { object: object as RenderedObject['object'], from: 'things.yaml', filled: [], ...more };
}
