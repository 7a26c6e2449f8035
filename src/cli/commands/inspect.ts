import { discNumber, findDiscs } from '../../deploy/discs.ts';
import { type Bundle, bundleBytes, bundleFiles } from '../../format/bundle.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { formatBytes, harmless } from '../units.ts';
import { readIndex } from './open-bundle.ts';
import { signerLines } from './signers.ts';

/** Reads the small files only, whatever the size of the bundle. */
export async function inspect(
  folder: string,
  options: { readonly trust?: string },
  context: CommandContext,
): Promise<CommandResult> {
  const [place = ''] = await findDiscs([context.path(folder)]);
  if (options.trust === undefined) {
    const { bundle } = await readIndex(place);
    return {
      json: { verified: false, bundle },
      text: describe(bundle, ['  signatures not checked: give --trust']),
    };
  }
  // What judges signatures is loaded when it is asked for.
  const { admit } = await import('../../deploy/admit.ts');
  const { readTrustFile } = await import('./trust-option.ts');
  const { trust } = await readTrustFile(options.trust, context);
  const { bundle, signers } = await admit(place, {
    ...context,
    trust,
    partial: discNumber(place) !== undefined,
  });
  const checked = 'signatures and lists hold; parts were not read: stowage verify reads them';
  return {
    json: { verified: 'signatures', bundle, signers },
    text: describe(bundle, [...signerLines(signers), `  ${checked}`]),
  };
}

function describe(bundle: Bundle, standing: readonly string[]): string {
  const { parity } = bundle;
  const size = new Map(bundle.blobs.map((blob) => [blob.digest, blob.size]));
  const text = [
    `${bundle.name} ${bundle.version}, channel ${bundle.channel}, number ${bundle.seq}, resolved ${bundle.resolvedAt}`,
    ...(bundle.description === '' ? [] : [`  ${bundle.description}`]),
    `  ${bundleFiles(bundle).length + 2} files, ${formatBytes(bundleBytes(bundle))}, for ${bundle.platforms.join(', ')}`,
    ...(parity === undefined
      ? []
      : [
          `  recovery parts: any ${parity.rows.length} of ${parity.columns.length + parity.rows.length} ${parity.discs ? 'discs' : 'columns'} may be lost`,
        ]),
    ...standing,
    ...bundle.models.flatMap((model) => [
      `model ${model.name}: ${model.repository} at ${model.commit}, licence ${model.license ?? 'unknown'}`,
      ...publisherLines(model.signature),
      ...model.files.map((file) => `  ${formatBytes(file.size).padStart(11)}  ${file.path}`),
    ]),
    ...bundle.images.flatMap((image) => [
      `image ${image.name}: ${image.source}`,
      `  ${image.target.digest}`,
      ...image.platforms.map((each) => `  ${each.platform} ${each.manifest}`),
      ...packageLines(image.packages),
      ...publisherLines(image.signature),
    ]),
    ...bundle.files.map(
      (file) => `files ${file.name}: ${file.path}, ${formatBytes(size.get(file.digest) ?? 0)}`,
    ),
    ...bundle.services.map(
      (service) => `service ${service.name}: image ${service.image}${ports(service)}`,
    ),
  ];
  return harmless(`${text.join('\n')}\n`);
}

function packageLines(packages: Bundle['images'][number]['packages']): string[] {
  if (packages === undefined) return [];
  const { found, unread } = packages;
  const count = found === 1 ? '1 package' : `${found} packages`;
  const places = unread === 1 ? '1 place' : `${unread} places`;
  return [`  ${count}${unread === 0 ? '' : `, and ${places} that could not be read`}`];
}

/** A line about what the publisher signed, as it was verified when the lock was made. */
function publisherLines(verdict: Bundle['models'][number]['signature']): string[] {
  if (verdict === undefined) return [];
  const { result, signer, reason, signedAt, form } = verdict;
  if (result !== 'passed')
    return [`  publisher's signature ${result}: ${reason ?? 'without a reason'}`];
  const name = signer?.identities?.join(', ') ?? signer?.subject ?? `key ${signer?.key ?? ''}`;
  const when = signedAt === undefined ? '' : `, ${signedAt} by its log`;
  return [`  publisher's signature held when it was locked: ${name}${when} (${form ?? ''})`];
}

function ports(service: Bundle['services'][number]): string {
  if (service.ports.length === 0) return '';
  return `, ports ${service.ports.map((port) => `${port.host}->${port.container}`).join(', ')}`;
}
