import type { Bundle } from './bundle.ts';
import { optionalNames } from './optional.ts';

/** What a site can or must set for a release. */
export type Settable = Pick<Bundle, 'name' | 'channel' | 'parameters' | 'secrets'>;

const COLUMNS = 78;
// Not four or six: lines with those margins are commands in OPERATOR.txt, which contains this text.
const MARGIN = '        #';

/**
 * A `site.yaml` for a release, ASCII: every parameter with its type, default and description as a comment, and every
 * secret with a path for its value. It is valid as it is, and keeps every default.
 * @param folder of the site, in which the values of secrets are placed
 */
export function siteText(release: Settable, folder: string): string {
  const { name, channel, parameters, secrets } = release;
  const optional = optionalNames(release);
  const values = sorted(parameters).flatMap(([key, { type, default: value, description }]) => [
    ...comment(
      `${type}, ${value === undefined ? 'REQUIRED: set a value' : `default ${literal(value)}`}. ${description}`,
    ),
    `        # ${key}: ${value === undefined ? `A-VALUE` : literal(value)},`,
  ]);
  const locations = sorted(secrets).flatMap(([key, { description }]) => [
    ...comment(description),
    `        ${key}: { file: ${JSON.stringify(`${folder}/secrets/${name}/${key}`)} },`,
  ]);
  return [
    'apiVersion: stowage/v1',
    '# name: the name of this host, unless set here',
    '# target: podman, unless set here: docker, kubernetes, or depot (only serves)',
    `channels: [${channel}]`,
    ...(optional.length === 0
      ? []
      : [
          '# Optional parts that this site has: remove the "# " before each of them.',
          'with:',
          `  ${name}: [`,
          ...optional.map((each) => `        # ${each},`),
          '  ]',
        ]),
    ...(values.length === 0
      ? []
      : [
          '# To set a value, remove the "# " before its name.',
          'parameters:',
          `  ${name}: {`,
          ...values,
          '  }',
        ]),
    ...(locations.length === 0
      ? []
      : [
          '# Put the value of each secret in its file, readable only by its owner.',
          'secrets:',
          `  ${name}: {`,
          ...locations,
          '  }',
        ]),
    '',
  ].join('\n');
}

/** Sorted by name, because the order in a manifest differs from that in a lock. */
function sorted<T>(map: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** A JSON value is a YAML value; characters beyond ASCII are escaped. */
function literal(value: string | number | boolean): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function comment(text: string): string[] {
  const lines: string[] = [];
  let line = MARGIN;
  for (const word of text.replace(/[^\x20-\x7e]/g, '?').split(' ')) {
    if (line.length + 1 + word.length > COLUMNS && line !== MARGIN) {
      lines.push(line);
      line = MARGIN;
    }
    line = `${line} ${word}`;
  }
  return [...lines, line].map((each) => each.trimEnd());
}
