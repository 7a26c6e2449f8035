import { StowageError } from '../core/error.ts';
import type { ModelSource } from '../format/manifest.ts';
import { modelCardKind } from '../format/model-card.ts';
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
 * Checks a model's license, as stated by the Hub and the model card, against the manifest's list.
 * @param card undefined if the card is not included, null if it cannot be read
 */
export function examineLicense(
  { name: model, licenses: list }: Pick<ModelSource, 'name' | 'licenses'>,
  hub: string | undefined,
  card: readonly string[] | undefined | null,
  report: Report,
): void {
  if (card === null) report('card-unreadable', 'the front matter of the model card cannot be read');
  const named = new Set([...(hub === undefined ? [] : [hub]), ...(card ?? [])].map(lower));
  if (hub !== undefined && card && card.length > 0 && !card.map(lower).includes(lower(hub)))
    report('license-differs', `${hub} on the Hub, ${card.join(', ')} in the model card`);
  if (named.size === 0) {
    report('license-unknown', 'neither the Hub nor the model card states a license');
    if (list !== undefined)
      report(
        'license-refused',
        `model ${model} states no license, so it is not in licenses: [${list.join(', ')}]`,
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
