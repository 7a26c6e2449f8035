import { StowageError } from '../../core/error.ts';
import type { Manifest } from '../../format/manifest.ts';
import type { Optional } from '../../format/optional.ts';

/** `${images.NAME}`, `${images.NAME.repository}` and the like, and `${models.NAME.uri}`, in the text of objects. */
const USED = /\$\{(images|models)\.([a-z0-9-]+)[.}]/g;

/**
 * Charts and objects are applied at every site, so they can use nothing that a site may do without.
 * @param text the rendered objects of an item as JSON
 * @throws StowageError `manifest-invalid`
 */
export function requireAtEverySite(
  what: string,
  text: string,
  manifest: Pick<Manifest, 'images' | 'models'>,
): void {
  for (const [, section, name] of text.matchAll(USED)) {
    const items: readonly (Optional & { readonly name: string })[] =
      manifest[section as 'images' | 'models'];
    if (items.find((each) => each.name === name)?.optional === undefined) continue;
    throw new StowageError('manifest-invalid', `${what} uses something optional`, {
      expected: 'models and images that every site has',
      found: `${name} in "${section}", which is optional`,
      hint: `remove "optional" from ${name}, or put what uses it into a release of its own`,
    });
  }
}
