import { StowageError } from '../core/error.ts';
import { modelCardKind } from '../format/foreign.ts';
import type { ModelSource } from '../format/manifest.ts';
import { readYaml } from '../format/yaml-document.ts';
import type { Report } from './examine-content.ts';
import { isLicenseAllowed } from './license-expression.ts';

/**
 * The licenses in a model card's front matter: none, one, or several that all apply. For `other`, the value of
 * `license_name`.
 * @returns undefined if the front matter cannot be read
 */
export function cardLicenses(card: Buffer): string[] | undefined {
  const [, front] =
    /^\uFEFF?---\r?\n([\s\S]*?\r?\n)---\s*(?:\r?\n|$)/.exec(card.toString('utf8')) ?? [];
  if (front === undefined) return [];
  try {
    const { license, license_name: name } = readYaml(modelCardKind, Buffer.from(front));
    const listed = (typeof license === 'string' ? [license] : (license ?? [])).map((each) =>
      each.trim(),
    );
    return listed.map((each) => (each.toLowerCase() === 'other' && name ? name.trim() : each));
  } catch (error) {
    if (error instanceof StowageError) return undefined;
    throw error;
  }
}

/**
 * Checks a model's license, as stated by its source, the manifest and the model card, against the manifest's list.
 * @param hub the license in the lock: that of the source, or else that of the manifest or the card
 * @param card undefined if the card is not included, null if it cannot be read
 */
export function examineLicense(
  {
    name: model,
    licenses: list,
    license: given,
  }: Pick<ModelSource, 'name' | 'licenses' | 'license'>,
  hub: string | undefined,
  card: readonly string[] | undefined | null,
  report: Report,
): void {
  if (card === null) report('card-unreadable', 'the front matter of the model card cannot be read');
  const stated = [hub, given?.id].flatMap((each) => (each === undefined ? [] : [each]));
  const named = new Set([...stated, ...(card ?? [])].map(lower));
  if (hub !== undefined && card && card.length > 0 && !card.map(lower).includes(lower(hub)))
    report(
      'license-differs',
      `${hub} ${hub === given?.id ? 'in the manifest' : 'on the Hub'}, ${card.join(', ')} in the model card`,
    );
  else if (hub !== undefined && given !== undefined && lower(given.id) !== lower(hub))
    report('license-differs', `${given.id} in the manifest, ${hub} at the source of the model`);
  if (named.size === 0) {
    report('license-unknown', 'neither the source of the model nor its card states a license');
    if (list !== undefined)
      report(
        'license-refused',
        `model ${model} states no license, and only these are accepted: [${list.join(', ')}]; include the README.md that states it, or set "license: { id, file }"`,
      );
    return;
  }
  for (const license of list === undefined ? [] : named)
    if (!isLicenseAllowed(license, list ?? []))
      report(
        'license-refused',
        `license ${license} of model ${model} is not in licenses: [${(list ?? []).join(', ')}]`,
      );
}

function lower(text: string): string {
  return text.toLowerCase();
}
