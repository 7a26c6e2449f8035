import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type RenderedRelease, renderRelease } from '../../../src/build/objects/render-release.ts';
import type { Environment } from '../../../src/core/context.ts';
import { manifestKind } from '../../../src/format/manifest.ts';
import { readYaml } from '../../../src/format/yaml-document.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { configMap, deployment, withClients } from './made-chart.ts';

const scratch = scratchFolder();
let env: Environment;
beforeAll(async () => {
  env = await withClients();
});

type Files = Readonly<Record<string, string>>;

function written(files: Files): string {
  const folder = scratch.fresh('manifest');
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

/** Renders an entry of `objects` with this source, in a folder with these files. */
function render(files: Files, source = 'o', further = ''): Promise<RenderedRelease> {
  return renderIn(written(files), source, further);
}

async function renderIn(folder: string, source: string, further = ''): Promise<RenderedRelease> {
  const manifest = readYaml(
    manifestKind,
    Buffer.from(`apiVersion: stowage/v1
name: demo
version: 1.0.0
parameters:
  replicas: { type: integer, description: how many }
  debug: { type: boolean, description: more messages }
  kind: { type: string, description: a kind }
models: [{ name: chat, source: hf://a/b@main }]
images: [{ name: front, source: 'registry.example/team/front:1.0' }]
objects:
  - { name: base, source: ${source}${further} }
`),
  );
  const { signal } = new AbortController();
  return renderRelease(manifest, new Map(), { folder, work: scratch.root, env, signal });
}

const KUSTOMIZATION = 'resources: [a.yaml]\nnamePrefix: x-\n';

describe('when objects are read', () => {
  it('has their images under names of the release, and where a site writes its values', async () => {
    const { objects, images } = await render({
      'o/a.yaml': deployment(
        'a',
        'registry.example/team/front:1.0',
        `          env:
            - { name: SIDECAR, value: 'registry.example/team/front:1.0' }
            - { name: MODEL, value: '\${models.chat.uri}' }
            - { name: SHELL, value: '\${HOME}' }
      initContainers: [{ name: i, image: 'busybox:1' }]
`,
      ).replace('spec:\n', "spec:\n  replicas: '${parameters.replicas}'\n"),
    });
    expect(images).toEqual([{ name: 'busybox', source: 'docker.io/library/busybox:1' }]);
    const [found] = objects[0]?.objects ?? [];
    const text = JSON.stringify(found?.object);
    expect(text.match(/\$\{images\.[a-z]+\}/g)).toEqual([
      ...['${images.front}', '${images.front}', '${images.busybox}'],
    ]);
    expect(found?.filled).toContainEqual({ path: ['spec', 'replicas'], as: 'number' });
    expect(found?.filled.filter(({ as }) => as === 'text')).toHaveLength(4);
  });

  it('renders a kustomization with its bases, and lists every file', async () => {
    const files = {
      'deploy/base/a.yaml': configMap('a', 'x: "1"'),
      'deploy/base/kustomization.yaml': 'resources: [a.yaml]\n',
      'deploy/site/kustomization.yaml': 'resources: [../base]\nnamePrefix: site-\n',
    };
    const { objects } = await render(files, 'deploy/site');
    expect(objects[0]).toMatchObject({
      objects: [{ object: { metadata: { name: 'site-a' } }, from: 'deploy/site' }],
      inputs: Object.keys(files).map((path) => ({ path })),
      renderedBy: expect.stringMatching(/^kubectl v1\./),
    });
  });

  it('takes 5,000 objects, and a definition of a megabyte', async () => {
    const many = Array.from({ length: 5000 }, (_, index) => configMap(`c${index}`, 'x: "1"'));
    const definition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: things.example.com }
spec:
  group: example.com
  description: ${'x'.repeat(1_048_576)}
`;
    const { objects } = await render({
      'o/a.yaml': many.join('---\n'),
      'o/b.yaml': definition,
    });
    expect(objects[0]?.objects).toHaveLength(5001);
    expect(objects[0]?.powers).toEqual(['cluster: CustomResourceDefinition things.example.com']);
  });
});

describe('when objects cannot be rendered', () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${[...'bcdefghij']
    .map((name, at) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghij'[at]}`).join(',')}]`)
    .join('\n')}\n`;
  it.each<[what: string, files: Files, code: Parameters<typeof expectCode>[1], found: string]>([
    [
      'an object twice',
      { 'o/a.yaml': configMap('a', 'x: "1"'), 'o/b.yaml': configMap('a', 'x: "2"') },
      ...(['chart-failed', 'ConfigMap a'] as const),
    ],
    [
      'too many objects in several files',
      {
        'o/a.yaml': Array.from({ length: 9000 }, (_, at) => configMap(`a${at}`, 'x: "1"')).join(
          '---\n',
        ),
        'o/b.yaml': Array.from({ length: 1001 }, (_, at) => configMap(`b${at}`, 'x: "1"')).join(
          '---\n',
        ),
      },
      ...(['chart-failed', 'over 10000 objects'] as const),
    ],
    [
      'an object without a kind',
      { 'o/a.yaml': 'apiVersion: v1\n' },
      'chart-failed',
      'without them',
    ],
    [
      'an object without a name',
      { 'o/a.yaml': 'apiVersion: v1\nkind: Pod\nmetadata: { generateName: a- }\n' },
      ...(['chart-failed', 'name'] as const),
    ],
    ['a YAML bomb', { 'o/a.yaml': bomb }, 'chart-failed', 'a.yaml'],
    ['text that is not YAML', { 'o/a.yaml': 'a: [' }, 'chart-failed', 'a.yaml'],
    [
      'an object twice, in its own namespace by name and by default',
      {
        'o/a.yaml': configMap('a', 'x: "1"'),
        'o/b.yaml': configMap('a', 'x: "2"').replace(
          '  name: a\n',
          '  name: a\n  namespace: ${release.namespace}\n',
        ),
      },
      ...(['chart-failed', 'ConfigMap a'] as const),
    ],
    [
      'a kind that depends on the site',
      {
        'o/a.yaml': configMap('a', 'x: "1"').replace('ConfigMap', "'${parameters.kind}'"),
      },
      ...(['chart-failed', 'apiVersion and kind'] as const),
    ],
    ['a key twice', { 'o/a.yaml': `${configMap('a')}kind: Secret\n` }, 'chart-failed', 'a.yaml'],
    ['no objects', { 'o/a.yaml': '# nothing\n' }, 'chart-failed', 'no object'],
    [
      'a parameter that the manifest does not have',
      { 'o/a.yaml': configMap('a', "x: '${parameters.absent}'") },
      ...(['manifest-invalid', 'parameters.absent'] as const),
    ],
    [
      'a model that it does not have',
      { 'o/a.yaml': configMap('a', "x: '${models.absent.uri}'") },
      ...(['manifest-invalid', 'models.absent'] as const),
    ],
    [
      'a parameter that is true or false',
      { 'o/a.yaml': configMap('a', "x: '${parameters.debug}'") },
      ...(['chart-unsupported', 'parameters.debug'] as const),
    ],
    [
      'a remote base',
      {
        'o/kustomization.yaml': 'resources: [github.com/kubernetes-sigs/lws//config?ref=v0.7.0]\n',
      },
      ...(['chart-unsupported', 'github.com'] as const),
    ],
    [
      'a remote file',
      { 'o/kustomization.yaml': 'resources: ["https://example.com/a.yaml"]\n' },
      ...(['chart-unsupported', 'example.com'] as const),
    ],
    [
      'a remote base of which there is a folder, too',
      {
        'o/kustomization.yaml': 'resources: ["https://example.com/x"]\n',
        'o/https:/example.com/x/kustomization.yaml': KUSTOMIZATION,
      },
      ...(['chart-unsupported', 'example.com'] as const),
    ],
    ...(
      [
        ['generators', '["ssh://git@example.com/x"]'],
        ['transformers', '["git@example.com:x"]'],
        ['components', '["GitHub.com/a/b"]'],
        ['crds', '["http://example.com/x"]'],
        ['openapi', '{ path: "http://example.com/x" }'],
        ['patches', '[{ path: "http://example.com/x" }]'],
        ['replacements', '[{ path: "http://example.com/x" }]'],
        ['configMapGenerator', '[{ name: a, files: ["a=http://example.com/x"] }]'],
        ['secretGenerator', '[{ name: a, envs: ["http://example.com/x"] }]'],
      ] as const
    ).map(([field, value]): [string, Files, Parameters<typeof expectCode>[1], string] => [
      `something remote among the ${field} of a kustomization`,
      { 'o/kustomization.yaml': `${field}: ${value}\n` },
      'chart-unsupported',
      field === 'components' ? 'GitHub.com' : 'example.com',
    ]),
    [
      'a chart in a kustomization that generates objects of another',
      {
        'o/kustomization.yaml': 'generators: [../g]\n',
        'g/kustomization.yaml': 'helmCharts: [{ name: a }]\n',
      },
      ...(['chart-unsupported', 'helmCharts'] as const),
    ],
    [
      'a base outside of the folder of the manifest',
      { 'o/kustomization.yaml': 'resources: [../../../etc]\n' },
      ...(['chart-unsupported', '../../../etc'] as const),
    ],
    [
      'a chart in a kustomization',
      { 'o/kustomization.yaml': 'helmCharts: [{ name: a, repo: "https://example.com" }]\n' },
      ...(['chart-unsupported', 'helmCharts'] as const),
    ],
    [
      'a plugin of a kustomization',
      {
        'o/kustomization.yaml': 'generators: [g.yaml]\n',
        'o/g.yaml':
          'apiVersion: v1\nkind: Gen\nmetadata:\n  name: g\n  annotations:\n    config.kubernetes.io/function: "exec: { path: ./run.sh }"\n',
        'o/run.sh': '#!/bin/sh\ntouch /tmp/should-not-run\n',
      },
      ...(['chart-failed', 'plugin'] as const),
    ],
    [
      'a transformer that is not there',
      {
        'o/kustomization.yaml': `${KUSTOMIZATION}patches: [{ path: p.yaml }]\n`,
        'o/a.yaml': configMap('a'),
      },
      ...(['chart-failed', 'p.yaml'] as const),
    ],
  ])('refuses %s', async (_, files, code, found) => {
    const error = await expectCode(() => render(files), code);
    expect(`${error.message} ${error.expected} ${error.found}`).toContain(found);
  });

  it.each([
    ['outside of the folder of the manifest', '../o', 'path-unsafe'],
    ['that is not there', 'absent', 'file-missing'],
  ] as const)('refuses a source %s', async (_, source, code) => {
    await expectCode(() => render({ 'o/a.yaml': configMap('a') }, source), code);
  });

  it('refuses a base that a link leads to', async () => {
    const folder = written({ 'o/kustomization.yaml': 'resources: [../link/base]\n' });
    const outside = written({
      'base/kustomization.yaml': KUSTOMIZATION,
      'base/a.yaml': configMap('a'),
    });
    symlinkSync(outside, join(folder, 'link'));
    const error = await expectCode(() => renderIn(folder, 'o'), 'chart-unsupported');
    expect(error.found).toContain('../link/base');
  });

  it('refuses a link in a folder', async () => {
    const folder = written({ 'o/a.yaml': configMap('a') });
    symlinkSync('/etc/passwd', join(folder, 'o/b.yaml'));
    await expectCode(() => renderIn(folder, 'o'), 'file-kind');
  });
});
