import type { PresentDisc } from '../../bundle/inspect/bundle-view.ts';
import { type Branch, sizedBranches } from '../../content/branches.ts';
import { itemsIn } from '../../content/items.ts';
import { kinds } from '../../content/kinds.ts';
import type { Seen } from '../../content/seen.ts';
import { formatAmount, formatBytes } from '../../core/text.ts';
import { allParts, type Bundle, bundleSize } from '../../format/bundle.ts';
import type { AcceptanceTest } from '../../format/deployment.ts';
import { egressInWords } from '../../format/egress.ts';
import type { Evaluation } from '../../format/evaluation.ts';
import { ulimitValues } from '../../format/isolation.ts';
import type { Mount, Service } from '../../format/service.ts';
import { optionalBranches } from './optional-lines.ts';

/** The contents of a bundle by kind, without empty kinds. */
export function bundleTree(bundle: Bundle, seen: Seen): Branch[] {
  const { services, acceptance, control, installers = [] } = bundle;
  return [
    ...kinds.map((kind) =>
      group(
        kind.section,
        itemsIn<'bundled'>(bundle, kind).map((item) => kind.branch(item, seen)),
      ),
    ),
    group(
      'services',
      services.map((each) => serviceBranch(each, bundle.derived)),
    ),
    group('optional (a site has what it chooses)', optionalBranches(bundle)),
    group('acceptance', acceptance.map(testBranch)),
    group('evaluations', (bundle.evaluations ?? []).map(evaluationBranch)),
    group(
      'known egress (tried, and harmless when it fails)',
      (bundle.knownEgress ?? []).map(({ host, port, reason }) => ({
        text: `${host}${port === undefined ? '' : ` port ${port}`}: ${reason}`,
      })),
    ),
    group(
      'parameters',
      Object.entries(bundle.parameters).map(([name, each]) => ({
        text: `${name}  ${each.type}${each.default === undefined ? ', no default' : `, ${JSON.stringify(each.default)}`}: ${each.description}`,
      })),
    ),
    group(
      'secrets (supplied by the site)',
      Object.entries(bundle.secrets).map(([name, { description }]) => ({
        text: `${name}: ${description}`,
      })),
    ),
    group(
      'attestations',
      sizedBranches(control.filter(({ path }) => path.startsWith('attestations/')).map(inFolder)),
    ),
    group('installers', sizedBranches(installers)),
    group(
      'recalls',
      (bundle.recalls ?? []).map(({ release, versions, reason }) => ({
        text: `${release} ${versions}: ${reason}`,
      })),
    ),
    group('parity', parityBranches(bundle)),
  ].filter(({ below }) => below.length > 0);
}

function evaluationBranch({
  name,
  service,
  model,
  questions,
  gate,
  thresholds,
}: Evaluation): Branch {
  const { passRate, tags = {} } = thresholds;
  const rates = [
    `${passRate * 100} % must pass`,
    ...Object.entries(tags).map(([tag, rate]) => `${rate * 100} % of ${tag}`),
  ];
  const when = gate === undefined ? 'on demand' : `first ${gate} in the gate`;
  return {
    text: `${name}  asks ${service}, model ${model}: ${questions}, ${when}; ${rates.join(', ')}`,
  };
}

/** The discs given, and the number of parts that are not on them. */
export function discBranch(discs: readonly PresentDisc[], absent: number): Branch {
  const here = discs.map(({ disc, parts, size }) => ({
    text: `${disc}  ${formatAmount(parts, 'part')}, ${formatBytes(size)}`,
  }));
  const rest =
    absent === 0
      ? []
      : [{ text: `${formatAmount(absent, 'part')} on other discs, or left out of an increment` }];
  return group('discs given', [...here, ...rest]);
}

function group(
  name: string,
  below: readonly Branch[],
): Branch & { readonly below: readonly Branch[] } {
  const sizes = below.flatMap(({ size }) => size ?? []);
  const bytes = sizes.reduce((sum, each) => sum + each, 0);
  return { text: sizes.length === 0 ? name : `${name}  ${formatBytes(bytes)}`, below };
}

function inFolder({ path, size }: { path: string; size: number }): { path: string; size: number } {
  return { path: path.slice(path.indexOf('/') + 1), size };
}

function serviceBranch(service: Service, derived: Bundle['derived'] = []): Branch {
  const {
    name,
    image,
    ports,
    mounts,
    gpus,
    memory,
    sharedMemory,
    ipc,
    health,
    egress = [],
  } = service;
  return {
    text: `${name}  image ${image}`,
    below: [
      ...ports.map(({ name: port, host, container }) => ({
        text: `port ${port}: ${host} to ${container}`,
      })),
      ...mounts.map(mountBranch),
      ...(service.args.length === 0 ? [] : [{ text: `arguments ${JSON.stringify(service.args)}` }]),
      ...(gpus === undefined ? [] : [{ text: `GPUs: ${gpus}` }]),
      ...(memory === undefined ? [] : [{ text: `memory ${formatBytes(memory)}` }]),
      ...(sharedMemory === undefined
        ? []
        : [{ text: `shared memory ${formatBytes(sharedMemory)}` }]),
      ...ulimitValues(service).map(([limit, value]) => ({
        text: `ulimit ${limit}: ${value < 0 ? 'unlimited' : value}`,
      })),
      ...(ipc === undefined ? [] : [{ text: `ipc ${ipc}` }]),
      ...egress.map((each) => ({ text: `may connect to ${egressInWords(each)}: ${each.reason}` })),
      ...(health?.apiKey === undefined
        ? []
        : [{ text: `requires secret ${health.apiKey} as API key` }]),
      ...(health?.model === undefined ? [] : [{ text: `must list model ${health.model}` }]),
      ...derived
        .filter((each) => each.service === name)
        .map((each) => ({
          text: `derived by lock: ${each.field} ${each.field === 'sharedMemory' ? formatBytes(each.value) : each.value}: ${each.reason}`,
        })),
    ],
  };
}

function mountBranch(mount: Mount): Branch {
  const [what = '', value = ''] = Object.entries(mount).find(([key]) => key !== 'path') ?? [];
  const shown = what === 'memory' ? formatBytes(Number(value)) : value;
  return { text: `${what} ${shown} at ${mount.path}` };
}

function testBranch(test: AcceptanceTest): Branch {
  const { service, model, expect } = test;
  const asked = `${service}, model ${model}`;
  if ('prompt' in test)
    return {
      text: `${asked}: ${JSON.stringify(test.prompt)}`,
      below: [{ text: `expects ${JSON.stringify(expect)}` }],
    };
  return {
    text: `${asked}, ${test.api}: ${JSON.stringify(test.query)}`,
    below: [
      ...test.documents.map((document) => ({ text: `document ${JSON.stringify(document)}` })),
      { text: `expects ${JSON.stringify(expect)}` },
    ],
  };
}

function parityBranches(bundle: Bundle): Branch[] {
  const { parity } = bundle;
  if (parity === undefined) return [];
  const parts = parity.rows.flat();
  const size = parts.reduce((sum, each) => sum + each.size, 0);
  const [rows, columns] = [parity.rows.length, parity.columns.length];
  const what = parity.discs ? 'discs' : 'columns';
  return [
    {
      text: `any ${rows} of ${columns + rows} ${what} can be lost and rebuilt: ${formatAmount(parts.length, 'recovery part')} for ${formatAmount(allParts(bundle).length - parts.length, 'part')}`,
      size,
    },
  ];
}

/** The size of a bundle and what it consists of; all numbers are those of `bundleSize`. */
export function sizeText(bundle: Bundle): string {
  const { files, bytes, content, installers } = bundleSize(bundle);
  const included = installers === 0 ? '' : `, ${formatBytes(installers)} of installers`;
  return `${formatAmount(files, 'file')}, ${formatBytes(bytes)}: ${formatBytes(content)} of content${included}`;
}
