/** Text of a YAML document that is written with comments, for people to edit. */

/** A value as YAML on one line: JSON is YAML, and quotes whatever YAML would read as something else. */
export function yamlValue(value: unknown): string {
  return typeof value === 'string' &&
    /^[A-Za-z./][A-Za-z0-9./_-]*$/.test(value) &&
    !isKeyword(value)
    ? value
    : JSON.stringify(value);
}

/** What YAML reads as true, false or nothing. */
function isKeyword(text: string): boolean {
  return /^(?:true|false|yes|no|on|off|null|y|n)$/i.test(text);
}

/** A comment that stays one line. */
export function yamlComment(text: string): string {
  return `# ${text.replace(/\s+/g, ' ').trim()}`;
}

/** A name that manifests accept, of any text. */
export function nameFrom(text: string, fallback: string): string {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 63)
    .replace(/-+$/, '');
  return name === '' ? fallback : name;
}

/** The first lines of a manifest that was made from something else. */
export function manifestHead(name: string, from: string): string[] {
  return [
    yamlComment(
      `Made from ${from}. Read each line before you lock it; manifests/README.md explains the fields.`,
    ),
    'apiVersion: stowage/v1',
    `name: ${name}`,
    'version: 1.0.0',
    yamlComment('A site accepts bundles only from the channels it subscribes to.'),
    'channel: stable',
    yamlComment('Platforms to include images for.'),
    'platforms: [linux/amd64]',
  ];
}
