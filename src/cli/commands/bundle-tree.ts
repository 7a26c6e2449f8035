import type { DiscHere } from '../../bundle/inspect/discs-here.ts';
import type { ImagePlatform } from '../../bundle/inspect/platforms.ts';
import { formatAmount, formatBytes } from '../../core/amount.ts';
import { allParts, type Bundle, type BundleImage, type BundleModel } from '../../format/bundle.ts';
import type { AcceptancePrompt } from '../../format/deployment.ts';
import type { Mount, Service } from '../../format/service.ts';
import type { SignatureVerdict } from '../../format/upstream.ts';
import type { Branch } from '../tree.ts';

/** What a bundle holds, kind by kind; kinds of which it has nothing are left out. */
export function bundleTree(bundle: Bundle, platforms: readonly ImagePlatform[]): Branch[] {
  const { models, images, files, services, acceptance, control, installers = [] } = bundle;
  return [
    group('models', models.map(modelBranch)),
    group(
      'images',
      images.map((image) => imageBranch(image, platforms)),
    ),
    group(
      'files',
      files.map(({ name, path, kind, size, source }) => ({
        text: `${name}  ${formatBytes(size)}  ${path}${kind === 'tree' ? '/' : ''}, from ${source}`,
        size,
      })),
    ),
    group('services', services.map(serviceBranch)),
    group('acceptance', acceptance.map(promptBranch)),
    group(
      'parameters',
      Object.entries(bundle.parameters).map(([name, each]) => ({
        text: `${name}  ${each.type}${each.default === undefined ? ', no default' : `, ${JSON.stringify(each.default)}`}: ${each.description}`,
      })),
    ),
    group(
      'secrets, which a site gives',
      Object.entries(bundle.secrets).map(([name, { description }]) => ({
        text: `${name}: ${description}`,
      })),
    ),
    group(
      'attestations',
      sized(control.filter(({ path }) => path.startsWith('attestations/')).map(inFolder)),
    ),
    group('installers', sized(installers)),
    group(
      'recalls',
      (bundle.recalls ?? []).map(({ release, versions, reason }) => ({
        text: `${release} ${versions}: ${reason}`,
      })),
    ),
    group('parity', parityBranches(bundle)),
  ].filter(({ below }) => below.length > 0);
}

/** The discs that are here, and what is on none of them. */
export function discBranch(discs: readonly DiscHere[], absent: number): Branch {
  const here = discs.map(({ disc, parts, size }) => ({
    text: `${disc}  ${formatAmount(parts, 'part')}, ${formatBytes(size)}`,
  }));
  const rest = absent === 0 ? [] : [{ text: `${formatAmount(absent, 'part')} on other discs` }];
  return group('discs here', [...here, ...rest]);
}

function group(
  name: string,
  below: readonly Branch[],
): Branch & { readonly below: readonly Branch[] } {
  const sizes = below.flatMap(({ size }) => size ?? []);
  const bytes = sizes.reduce((sum, each) => sum + each, 0);
  return { text: sizes.length === 0 ? name : `${name}  ${formatBytes(bytes)}`, below };
}

function sized(files: readonly { readonly path: string; readonly size: number }[]): Branch[] {
  return files.map(({ path, size }) => ({
    text: () => `${formatBytes(size).padStart(10)}  ${path}`,
    size,
  }));
}

function inFolder({ path, size }: { path: string; size: number }): { path: string; size: number } {
  return { path: path.slice(path.indexOf('/') + 1), size };
}

function modelBranch(model: BundleModel): Branch {
  const { name, repository, commit, license = 'unknown', files, signature } = model;
  const size = files.reduce((sum, each) => sum + each.size, 0);
  return {
    text: `${name}  ${formatBytes(size)}  ${repository} at ${commit}, licence ${license}`,
    size,
    below: [...publisherBranches(signature), ...sized(files)],
  };
}

function imageBranch(image: BundleImage, platforms: readonly ImagePlatform[]): Branch {
  const own = platforms.filter((each) => each.image === image.name);
  const layers = new Map(own.flatMap((each) => (each.layers ?? []).map((l) => [l.digest, l.size])));
  const size = [...layers.values()].reduce((sum, each) => sum + each, 0);
  return {
    text: `${image.name}  ${layers.size === 0 ? '' : `${formatBytes(size)}  `}${image.source}`,
    ...(layers.size === 0 ? {} : { size }),
    below: [
      { text: image.target.digest },
      ...packageBranches(image.packages),
      ...publisherBranches(image.signature),
      ...own.map(platformBranch),
      ...(image.attached ?? []).map(({ kind, artifactType, size: bytes }) => ({
        text: `${kind} ${artifactType}, ${formatBytes(bytes)}`,
      })),
    ],
  };
}

function platformBranch({ platform, manifest, layers }: ImagePlatform): Branch {
  if (layers === undefined)
    return { text: `${platform}  ${manifest}, whose layers cannot be read here` };
  const size = layers.reduce((sum, each) => sum + each.size, 0);
  return {
    text: `${platform}  ${manifest}, ${formatAmount(layers.length, 'layer')}, ${formatBytes(size)}`,
    below: sized(layers.map((each) => ({ path: each.digest, size: each.size }))),
  };
}

function packageBranches(packages: BundleImage['packages']): Branch[] {
  if (packages === undefined) return [];
  const { found, unread } = packages;
  const places =
    unread === 0 ? '' : `, and ${formatAmount(unread, 'place')} that could not be read`;
  return [{ text: `${formatAmount(found, 'package')}${places}` }];
}

/** What the publisher signed, as it was verified when the lock was made. */
function publisherBranches(verdict: SignatureVerdict | undefined): Branch[] {
  if (verdict === undefined) return [];
  const { result, signer, reason, signedAt, form } = verdict;
  if (result !== 'passed')
    return [{ text: `publisher's signature ${result}: ${reason ?? 'without a reason'}` }];
  const name = signer?.identities?.join(', ') ?? signer?.subject ?? `key ${signer?.key ?? ''}`;
  const when = signedAt === undefined ? '' : `, ${signedAt} by its log`;
  return [
    { text: `publisher's signature held when it was locked: ${name}${when} (${form ?? ''})` },
  ];
}

function serviceBranch(service: Service): Branch {
  const { name, image, ports, mounts, gpus, memory, health } = service;
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
      ...(health?.model === undefined ? [] : [{ text: `must list model ${health.model}` }]),
    ],
  };
}

function mountBranch(mount: Mount): Branch {
  const [what = '', value = ''] = Object.entries(mount).find(([key]) => key !== 'path') ?? [];
  const shown = what === 'memory' ? formatBytes(Number(value)) : value;
  return { text: `${what} ${shown} at ${mount.path}` };
}

function promptBranch({ service, model, prompt, expect }: AcceptancePrompt): Branch {
  return {
    text: `${service}, asked as ${model}: ${JSON.stringify(prompt)}`,
    below: [{ text: `expects ${JSON.stringify(expect)}` }],
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
      text: `any ${rows} of ${columns + rows} ${what} may be lost: ${formatAmount(parts.length, 'recovery part')} for ${allParts(bundle).length - parts.length}`,
      size,
    },
  ];
}
