import { beforeAll, describe, expect, it } from 'vitest';
import { readChart } from '../../../src/build/objects/chart-files.ts';
import { type RenderedChart, renderForSites } from '../../../src/build/objects/render.ts';
import type { Environment } from '../../../src/core/context.ts';
import type { Json } from '../../../src/core/json.ts';
import type { ObjectName } from '../../../src/format/cluster-content.ts';
import type { Parameter } from '../../../src/format/deployment.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { chartArchive, chartYaml, configMap, deployment, withClients } from './made-chart.ts';

const scratch = scratchFolder();
let env: Environment;
beforeAll(async () => {
  env = await withClients();
});

const parameters: Readonly<Record<string, Parameter>> = {
  domain: { type: 'string', default: 'plant.example', description: 'its domain' },
  replicas: { type: 'integer', default: 2, description: 'how many' },
  port: { type: 'integer', description: 'a port' },
  debug: { type: 'boolean', default: false, description: 'more messages' },
};

interface Given {
  readonly values?: Json;
  readonly without?: readonly ObjectName[];
  readonly kubeVersion?: string;
  /** For temporary files. */
  readonly folder?: string;
}

/** Renders a chart of these files with the real helm. */
async function render(
  files: Readonly<Record<string, string>>,
  { values = {}, without = [], kubeVersion = '1.34.0', folder = scratch.root }: Given = {},
): Promise<RenderedChart> {
  const chart = await readChart(chartArchive(files), 'chart demo');
  const input = { what: 'chart demo', release: 'demo', values: [values] };
  return renderForSites(
    chart,
    { ...input, kubeVersion, apiVersions: ['monitoring.coreos.com/v1'] },
    { folder, env, signal: new AbortController().signal, parameters, without },
  );
}

describe('when a chart copies values of the site', () => {
  it('has placeholders in texts and numbers, and what the templates decide', async () => {
    const { objects, helm } = await render(
      {
        'crds/crd.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: crd }\n',
        'templates/a.yaml': `${configMap(
          'a',
          'url: "https://{{ .Values.domain }}/x"',
          'namespace: "{{ .Release.Namespace }}"',
          'kube: "{{ .Capabilities.KubeVersion.Version }}"',
          'has: "{{ .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}"',
          'mode: "0644"',
        )}`,
        'templates/hook.yaml': `apiVersion: v1
kind: Pod
metadata:
  name: hook
  annotations: { helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "-5" }
`,
        'templates/deployment.yaml': deployment('d', 'registry.example/d:1').replace(
          'spec:\n',
          'spec:\n  replicas: {{ .Values.replicas }}\n',
        ),
      },
      { values: { domain: '${parameters.domain}', replicas: '${parameters.replicas}' } },
    );
    expect(helm).toMatch(/^v[34]\./);
    const [crd, config, run, hook] = objects;
    expect(crd?.object).toMatchObject({ metadata: { name: 'crd' } });
    expect(config).toMatchObject({
      object: {
        data: {
          ...{ url: 'https://${parameters.domain}/x', namespace: '${release.namespace}' },
          ...{ kube: 'v1.34.0', has: 'true', mode: '0644' },
        },
      },
      from: 'templates/a.yaml',
      filled: [
        { path: ['data', 'namespace'], as: 'text' },
        { path: ['data', 'url'], as: 'text' },
      ].toReversed(),
    });
    expect(run).toMatchObject({
      object: { spec: { replicas: '${parameters.replicas}' } },
      filled: [{ path: ['spec', 'replicas'], as: 'number' }],
    });
    expect(hook?.hook).toEqual({ events: ['pre-install', 'pre-upgrade'], weight: -5 });
  });

  it('leaves out what the manifest leaves out, also where it would be refused', async () => {
    const { objects } = await render(
      {
        'templates/a.yaml': configMap('a', 'x: "1"'),
        'templates/b.yaml': configMap('b', 'x: "{{ randAlphaNum 8 }}"'),
      },
      { without: [{ kind: 'ConfigMap', name: 'b' }] },
    );
    expect(objects.map(({ from }) => from)).toEqual(['templates/a.yaml']);
  });

  it('has every value also where the temporary folder has a comma in its name', async () => {
    const { objects } = await render(
      { 'templates/a.yaml': configMap('a', 'x: "{{ .Values.x }}"') },
      { values: { x: 'given' }, folder: scratch.fresh('a,b') },
    );
    expect(objects[0]?.object).toMatchObject({ data: { x: 'given' } });
  });

  it('gives the same objects each time', async () => {
    const files = { 'templates/a.yaml': configMap('a', 'x: "{{ .Values.domain }}"') };
    const given = { values: { domain: '${parameters.domain}' } };
    expect(await render(files, given)).toEqual(await render(files, given));
  });
});

describe('when a chart cannot be rendered once for every site', () => {
  const hook = (event: string): string =>
    `${configMap('a', 'x: "1"')}`.replace(
      '  name: a\n',
      `  name: a\n  annotations: { helm.sh/hook: ${event} }\n`,
    );
  it.each<[what: string, template: string, found: string]>([
    [
      'lookup',
      configMap('a', 'x: "{{ (lookup "v1" "Secret" .Release.Namespace "s").data }}"'),
      'lookup',
    ],
    ['randAlphaNum', configMap('a', 'x: "{{ randAlphaNum 12 }}"'), 'data.x'],
    ['a generated certificate', configMap('a', 'x: {{ (genCA "ca" 365).Cert | quote }}'), 'data.x'],
    ['the time', configMap('a', 'x: "{{ now | unixEpoch }}{{ randNumeric 3 }}"'), 'data.x'],
    [
      'Release.IsUpgrade',
      `{{ if .Release.IsUpgrade }}${configMap('b', 'x: "1"')}{{ else }}${configMap('a', 'x: "1"')}{{ end }}`,
      'Release.IsUpgrade',
    ],
    ['Release.IsInstall', configMap('a', 'x: "{{ .Release.IsInstall }}"'), 'IsUpgrade'],
    [
      'a placeholder of its own beside a value of the site',
      configMap('a', 'x: "{{ .Values.domain }} ${parameters.port}"'),
      'data.x has a placeholder',
    ],
    ['a rollback hook', hook('"pre-upgrade,pre-rollback"'), 'pre-rollback'],
    ['rollback hooks alone', hook('"pre-rollback,post-rollback"'), 'post-rollback'],
    ['a length', configMap('a', 'x: "{{ len .Values.domain }}"'), 'data.x'],
    ['a hash', configMap('a', 'x: "{{ .Values.domain | sha256sum }}"'), 'data.x'],
    ['a sum', configMap('a', 'x: "{{ add .Values.port 1 }}"'), 'data.x'],
    ['upper case', configMap('a', 'x: "{{ upper .Values.domain }}"'), 'data.x'],
    ['base64', configMap('a', 'x: "{{ b64enc .Values.domain }}"'), 'data.x'],
    [
      'a comparison with the default',
      configMap('a', 'x: "{{ if eq .Values.domain "plant.example" }}a{{ else }}b{{ end }}"'),
      'default',
    ],
    [
      'a number of objects',
      `${configMap('z', 'x: "1"')}\n{{ range until (div .Values.port 20000 | int) }}---\n${configMap('a{{ . }}', 'x: "1"')}\n{{ end }}`,
      'other objects',
    ],
  ])('refuses %s', async (_, template, found) => {
    const error = await expectCode(
      () =>
        render(
          { 'templates/a.yaml': template },
          { values: { domain: '${parameters.domain}', port: '${parameters.port}' } },
        ),
      'chart-unsupported',
    );
    expect(`${error.message} ${error.found}`).toContain(found);
    expect(error.message).toContain('chart demo');
  });

  it('refuses a parameter that is true or false, and one that the manifest does not have', async () => {
    const files = { 'templates/a.yaml': configMap('a', 'x: "{{ .Values.x }}"') };
    const given = (name: string): Given => ({ values: { x: `\${parameters.${name}}` } });
    const refused = await expectCode(() => render(files, given('debug')), 'chart-unsupported');
    expect(refused.found).toContain('debug');
    await expectCode(() => render(files, given('absent')), 'manifest-invalid');
  });
});

describe('when helm fails', () => {
  const schema = JSON.stringify({
    $schema: 'http://json-schema.org/draft-07/schema#',
    properties: { size: { type: 'integer' } },
  });
  it.each<[what: string, files: Readonly<Record<string, string>>, found: RegExp]>([
    [
      'a template, with its file and line',
      { 'templates/a.yaml': 'a: 1\nb: {{ fail "no size" }}\n' },
      /demo\/templates\/a\.yaml:2:\d+.*no size/s,
    ],
    [
      'a template that does not parse',
      { 'templates/a.yaml': 'a: {{ if }}\n' },
      /templates\/a\.yaml:1/,
    ],
    [
      'values against values.schema.json',
      { 'values.schema.json': schema, 'templates/a.yaml': configMap('a', 'x: "1"') },
      /size/,
    ],
    [
      'a chart for other versions of Kubernetes',
      {
        'Chart.yaml': chartYaml('demo', 'kubeVersion: ">=1.40.0"\n'),
        'templates/a.yaml': configMap('a', 'x: "1"'),
      },
      /1\.40\.0/,
    ],
    ['output that is not YAML', { 'templates/a.yaml': 'a: [\n' }, /YAML/],
    ['a text that is no object', { 'templates/a.yaml': 'just text\n' }, /a\.yaml|object/],
    ['no objects', { 'templates/_a.tpl': '' }, /no object/],
    [
      'a number that other readers of JSON change',
      { 'templates/a.yaml': configMap('a', 'x: 1').replace('x: 1', 'x: 99999999999999999999') },
      /99999999999999999999/,
    ],
    [
      'a YAML bomb',
      {
        'templates/a.yaml': `a: &a [x,x,x,x,x,x,x,x,x]\n${[...'bcdefghij']
          .map((name, index) => {
            const before = String.fromCharCode(97 + index);
            return `${name}: &${name} [${Array(9).fill(`*${before}`).join(',')}]`;
          })
          .join('\n')}\n`,
      },
      /./,
    ],
  ])('says what: %s', async (_, files, found) => {
    const error = await expectCode(
      () => render(files, { values: { size: 'large' } }),
      'chart-failed',
    );
    expect(error.found).toMatch(found);
    // The folder of the machine that rendered is of no use to anyone.
    expect(error.found).not.toContain(scratch.root);
  });

  it('is named when it is missing', async () => {
    const chart = await readChart(chartArchive({}), 'chart demo');
    const nowhere = scratch.fresh('empty');
    const error = await expectCode(
      () =>
        renderForSites(
          chart,
          { what: 'chart demo', release: 'x', values: [], kubeVersion: '1.34.0', apiVersions: [] },
          {
            ...{ folder: scratch.root, env: { PATH: nowhere }, parameters, without: [] },
            signal: new AbortController().signal,
          },
        ),
      'source-unsupported',
    );
    expect(error.message).toContain('helm');
    expect(error.hint).toContain('install helm');
  });
});
