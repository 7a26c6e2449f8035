import type { ListedImage, ListedPackage } from '../../content/listed-packages.ts';
import { textOf as anyText, fieldsOf, parseJson } from '../../core/json.ts';
import { reportLine } from '../report/report-line.ts';

/**
 * The images of a CycloneDX document with their packages. Everything else in it is ignored: no decision depends on it.
 * @throws StowageError `document-invalid` if it is not JSON
 */
export function readPackages(document: Buffer): ListedImage[] {
  const { components } = fieldsOf(parseJson(document));
  return listOf(components).flatMap((component) => {
    const { type, 'bom-ref': ref, components: inside, properties } = fieldsOf(component);
    const image = /^image:(.+)$/.exec(textOf(ref) ?? '')?.[1];
    if (type !== 'container' || image === undefined) return [];
    const parts = listOf(inside);
    const system = textOf(fieldsOf(parts.find(isSystem))['description']);
    return [
      {
        image,
        ...(system === undefined ? {} : { system }),
        packages: parts.flatMap(packageOf),
        unread: listOf(properties).flatMap((each) => {
          const { name, value } = fieldsOf(each);
          return name === 'stowage:unread' ? (textOf(value) ?? []) : [];
        }),
      },
    ];
  });
}

function isSystem(component: unknown): boolean {
  return fieldsOf(component)['type'] === 'operating-system';
}

function packageOf(component: unknown): ListedPackage[] {
  const { type, purl, version, licenses } = fieldsOf(component);
  // pkg:TYPE/NAMESPACE/NAME@VERSION?QUALIFIERS, percent-encoded
  const match = /^pkg:([a-z0-9.+-]+)\/([^@?#]+)/.exec(textOf(purl) ?? '');
  if (type !== 'library' || match === null) return [];
  const license = licenseOf(listOf(licenses)[0]);
  return [
    {
      type: match[1] ?? '',
      name: reportLine(decoded(match[2] ?? '')),
      version: textOf(version) ?? '',
      ...(license === undefined ? {} : { license }),
    },
  ];
}

function licenseOf(value: unknown): string | undefined {
  const { expression, license } = fieldsOf(value);
  const { id, name } = fieldsOf(license);
  return textOf(expression) ?? textOf(id) ?? textOf(name);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Text as one line: it was not checked against a schema. */
function textOf(value: unknown): string | undefined {
  const text = anyText(value);
  return text === undefined ? undefined : reportLine(text);
}
