import { errorText } from '../../src/cli/render.ts';
import {
  type ErrorEntry,
  errorCodes,
  errorTable,
  exitStatus,
  type StatusName,
  type StowageError,
  statusMeanings,
} from '../../src/core/error.ts';
import { Findings } from '../../src/examine/findings.ts';
import { examineLicense } from '../../src/examine/license.ts';

/** manifests/ERRORS.md: every error code by exit status. */
export function errorPage(): string {
  const names = Object.keys(exitStatus) as StatusName[];
  return `# Errors

<!-- generated from src/core/error.ts: npm run errors -->

Every error has a code, which never changes, in brackets after the message:

\`\`\`text
${sample()}
\`\`\`

The message and the hint describe the specific case; this page explains each code in general. \`stowage help errors CODE\`
prints the same explanation. In scripts, use \`--json\` and match the code, never the text.

| exit status | meaning |
| ----------- | ------- |
| 0 | success |
${names.map((name) => `| ${exitStatus[name]} | ${statusMeanings[name]} |`).join('\n')}

${names
  .filter((name) => errorCodes[name].length > 0)
  .map(section)
  .join('\n\n')}
`;
}

/** An error as the program prints it. */
function sample(): string {
  const findings = new Findings();
  const place = { source: 'embed', file: '*', allow: [] };
  const model = { name: 'embed', licenses: ['apache-2.0', 'mit'] };
  examineLicense(model, 'cc-by-nc-4.0', [], (rule, detail) => findings.add(place, rule, detail));
  try {
    findings.settle();
  } catch (error) {
    return errorText(error as StowageError, undefined).trimEnd();
  }
  throw new RangeError('a license that is not listed was accepted');
}

function section(name: StatusName): string {
  const entries = errorTable().filter((each) => each.exitStatus === exitStatus[name]);
  return [
    `## Exit status ${exitStatus[name]}`,
    '',
    '| code | cause | remedy |',
    '| ---- | ----- | ------ |',
    ...entries.map(
      ({ code, cause, remedy }) => `| \`${code}\` | ${marked(cause)} | ${marked(remedy)} |`,
    ),
  ].join('\n');
}

const TYPED =
  /stowage (?:help (?:errors|findings|COMMAND)|(?:store|receipt) [a-z]+|[a-z-]+|--version)(?: --[a-z-]+(?: [A-Z]+)?)*|podman login|--[a-z-]+|\b[A-Z][A-Z0-9_]{4,}\b|[\w/]+\.(?:json|yaml|md)\b/g;

/** What a person would type or read in a terminal, set as code. */
function marked(text: string): string {
  return text.replace(TYPED, (typed) => `\`${typed}\``);
}

const BEGIN = '<!-- refusals: npm run errors -->\n';
const END = '<!-- end of refusals -->';

const HEAD = /^<!DOCTYPE html>.*<\/head>\n/s;
const TITLE = /<title>.*<\/title>/;

/**
 * signing/refusals.html with its table of the codes of exit status 10, generated again.
 * @param card signing/card.html, whose head it has, with a title of its own: each is one file to print, with its style inside
 */
export function withRefusals(page: string, card: string): string {
  const from = page.indexOf(BEGIN) + BEGIN.length;
  const to = page.indexOf(END);
  if (from < BEGIN.length || to < from)
    throw new Error('signing/refusals.html has no markers for the table');
  const rows = errorTable().filter((each) => each.exitStatus === exitStatus.untrusted);
  const [head = ''] = HEAD.exec(card) ?? [];
  const [title = ''] = TITLE.exec(page) ?? [];
  return `${page.slice(0, from)}${rows.map(row).join('')}${page.slice(to)}`.replace(HEAD, () =>
    head.replace(TITLE, () => title),
  );
}

function row({ code, cause, remedy }: ErrorEntry): string {
  return `<tr><th scope="row"><code>${code}</code></th><td>${cause}</td><td>${remedy}</td></tr>\n`;
}
