import { foreign, type Html, html } from '../../../core/html-text.ts';
import { formatAmount, formatBytes } from '../../../core/text.ts';
import type { Bundle } from '../../../format/bundle.ts';
import type {
  AcceptanceRanking,
  AcceptanceTest,
  Deployment,
  GpuNeeds,
  HostNeeds,
} from '../../../format/deployment.ts';
import { egressInWords } from '../../../format/egress.ts';
import type { Evaluation } from '../../../format/evaluation.ts';
import { ulimitValues } from '../../../format/isolation.ts';
import type { Mount, Service } from '../../../format/service.ts';
import { facts, multiline, nothing, table } from '../../html/html-parts.ts';
import { PRINTED } from './page-contents.ts';

/** The services, the acceptance checks, and what the site must provide. */
export function running(bundle: Bundle): Html {
  const parts = [
    bundle.services.map((each) => service(each, bundle.derived)),
    [acceptance(bundle.acceptance), evaluations(bundle.evaluations), egress(bundle.knownEgress)],
    [given(bundle)],
  ].flat();
  return parts.every((each) => each === nothing) ? nothing : html`${parts}`;
}

function service(each: Service, derived: Bundle['derived'] = []): Html {
  const { name, image, args, env, ports, mounts, gpus, memory, network, user, capabilities } = each;
  const { sharedMemory, ipc } = each;
  const limits = ulimitValues(each).map(
    ([limit, value]) => `${limit} ${value < 0 ? 'unlimited' : value}`,
  );
  const apiKey = each.health?.apiKey;
  const settings = derived
    .filter(({ service: of }) => of === name)
    .map(
      (one) =>
        `${one.field} ${one.field === 'sharedMemory' ? formatBytes(one.value) : one.value}: ${one.reason}`,
    );
  const worker = each.nodes?.worker;
  return html`<div class="together"><h3>Service ${foreign(name)}</h3>
${facts([
  ['Image', html`${foreign(image)}`],
  ['Arguments', commandLine(args)],
  ['Environment', variables(env)],
  ['Nodes', each.nodes === undefined ? undefined : html`${foreign(each.nodes.count)}`],
  [
    'Entrypoint of workers',
    worker?.entrypoint === undefined
      ? undefined
      : html`<code>${multiline(worker.entrypoint)}</code>`,
  ],
  ['Arguments of workers', worker && commandLine(worker.args)],
  ['Environment of workers', worker && variables(worker.env ?? {})],
  ['Mounts', lines(mounts.map(mountText))],
  [
    'Ports',
    lines(
      ports.map(
        (port) => `${port.name}: host port ${port.host} to container port ${port.container}`,
      ),
    ),
  ],
  ['Network', html`${foreign(network)}`],
  [
    'May connect to',
    lines((each.egress ?? []).map((one) => `${egressInWords(one)}: ${one.reason}`)),
  ],
  ['User', html`${foreign(user)}`],
  ['Capabilities', html`${foreign(capabilities.length === 0 ? 'none' : capabilities.join(', '))}`],
  ['GPUs', gpus === undefined ? undefined : html`${foreign(gpus)}`],
  ['Memory', memory === undefined ? undefined : html`${foreign(formatBytes(memory))}`],
  [
    'Shared memory',
    sharedMemory === undefined ? undefined : html`${foreign(formatBytes(sharedMemory))}`,
  ],
  ['Limits of processes', lines(limits)],
  ['IPC', ipc === undefined ? undefined : html`${foreign(ipc)}`],
  ['API key', apiKey === undefined ? undefined : html`secret ${foreign(apiKey)}`],
  ['Derived by the lock', lines(settings)],
])}</div>\n`;
}

function commandLine(args: readonly string[]): Html | undefined {
  return args.length === 0 ? undefined : html`<code>${multiline(args.join(' '))}</code>`;
}

function variables(env: Readonly<Record<string, string>>): Html | undefined {
  return lines(Object.entries(env).map(([key, value]) => `${key}=${value}`));
}

function mountText(mount: Mount): string {
  const [what = '', value = ''] = Object.entries(mount).find(([key]) => key !== 'path') ?? [];
  return `${what} ${what === 'memory' ? formatBytes(Number(value)) : value} at ${mount.path}`;
}

function lines(list: readonly string[]): Html | undefined {
  if (list.length === 0) return undefined;
  return html`<ul class="lines">${list.map((each) => html`<li>${multiline(each)}</li>\n`)}</ul>`;
}

function acceptance(tests: readonly AcceptanceTest[]): Html {
  if (tests.length === 0) return nothing;
  const rows = tests.map((test) => [
    html`${foreign(`${test.service}, model ${test.model}`)}`,
    'prompt' in test ? multiline(test.prompt) : ranking(test),
    html`<code>${foreign(JSON.stringify(test.expect))}</code>`,
  ]);
  return html`<h3>Acceptance checks</h3>
<p>After the installation, Stowage sends these prompts and queries. If an answer does not meet its expectation, the previous version is restored.</p>
${table(['Service and model', 'Prompt or query', 'Expected answer'], rows, PRINTED)}`;
}

function evaluations(list: readonly Evaluation[] = []): Html {
  if (list.length === 0) return nothing;
  const rows = list.map(({ name, service, model, questions, gate, thresholds }) => [
    html`${foreign(name)}`,
    html`${foreign(`${service}, model ${model}`)}`,
    html`${foreign(`${questions}; ${gate === undefined ? 'on demand' : `the first ${gate} in the gate`}`)}`,
    html`<code>${foreign(JSON.stringify(thresholds))}</code>`,
  ]);
  return html`<h3>Evaluations</h3>
<p>Questions of the organisation, as files of this bundle. If those in the gate miss a threshold, the previous version is restored.</p>
${table(['Name', 'Service and model', 'Questions', 'Thresholds'], rows, PRINTED)}`;
}

function egress(list: Bundle['knownEgress'] = []): Html {
  if (list.length === 0) return nothing;
  const rows = list.map(({ host, port, reason }) => [
    html`<code>${foreign(port === undefined ? host : `${host} port ${port}`)}</code>`,
    html`${foreign(reason)}`,
  ]);
  return html`<h3>Known egress</h3>
<p>What the services try to reach although it cannot be reached, and why that is harmless.</p>
${table(['Destination', 'Reason'], rows, PRINTED)}`;
}

function ranking({ api, query, documents }: AcceptanceRanking): Html {
  return html`${foreign(api)}: ${multiline(query)}${lines(documents) ?? nothing}`;
}

function given({ parameters, secrets, requires, upgradeFrom }: Deployment): Html {
  const values = Object.entries(parameters).map(([name, each]) => [
    html`${foreign(name)}`,
    html`${foreign(each.description)}`,
    multiline(each.default === undefined ? 'none; a value is required' : String(each.default)),
  ]);
  const hidden = Object.entries(secrets).map(([name, { description }]) => [
    html`${foreign(name)}`,
    html`${foreign(description)}`,
    html`secret; set at the site, not in the bundle`,
  ]);
  const all = [...values, ...hidden];
  const ranges = (list: Deployment['requires']['releases']): Html | undefined =>
    lines(list.map(({ name, version }) => `${name} ${version}`));
  const needs: [string, Html | undefined][] = [
    ['Required releases', ranges(requires.releases)],
    ['Conflicting releases', ranges(requires.conflicts)],
    ['Host', requires.host && lines(hostLines(requires.host))],
    ['Upgrade from', upgradeFrom === undefined ? undefined : html`${foreign(upgradeFrom)}`],
  ];
  const asks = needs.filter(([, value]) => value !== undefined);
  if (all.length === 0 && asks.length === 0) return nothing;
  return html`${
    all.length === 0
      ? nothing
      : html`<h3>Parameters and secrets</h3>
${table(['Name', 'Description', 'Default'], all, PRINTED)}`
  }${asks.length === 0 ? nothing : html`<h3>Requirements</h3>\n${facts(asks)}`}`;
}

function hostLines({ kernel, cpuFeatures = [], memory, engine = {}, gpu }: HostNeeds): string[] {
  return [
    ...(kernel === undefined ? [] : [`kernel ${kernel}`]),
    ...(cpuFeatures.length === 0 ? [] : [`processor with ${cpuFeatures.join(', ')}`]),
    ...(memory === undefined ? [] : [`memory ${formatBytes(memory)}`]),
    ...Object.entries(engine).map(([name, range]) => `${name} ${range}`),
    ...(gpu === undefined ? [] : [gpuLine(gpu)]),
  ];
}

function gpuLine({ vendor, count, memory, computeCapability, driver }: GpuNeeds): string {
  return [
    `${formatAmount(count, 'GPU')} by ${vendor}`,
    ...(memory === undefined ? [] : [`${formatBytes(memory)} each`]),
    ...(computeCapability === undefined ? [] : [`compute capability ${computeCapability}`]),
    ...(driver === undefined ? [] : [`driver ${driver}`]),
  ].join(', ');
}
