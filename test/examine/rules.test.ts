import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { explanations } from '../../src/examine/explain.ts';
import { isAllowable, ruleNames, severityOf } from '../../src/format/finding.ts';

const page = readFileSync('src/examine/RULES.md', 'utf8').replace(/ +\|/g, ' |');

describe('when RULES.md lists the rules', () => {
  it.each(ruleNames)('matches the code for %s', (rule) => {
    const severity = severityOf(rule) === 'refusal' ? 'refused' : severityOf(rule);
    const said = isAllowable(rule) ? 'refused unless allowed' : severity;
    const { why, remedy } = explanations[rule];
    expect(page).toContain(`| \`${rule}\` | ${said} | ${why} | ${remedy} |`);
  });

  it('lists no other rule', () => {
    const rows = [...page.matchAll(/^\| `([a-z0-9-]+)` \|/gm)];
    expect(rows.map(([, rule]) => rule).sort()).toEqual([...ruleNames].sort());
  });

  it('uses names that are valid in documents', () => {
    for (const rule of ruleNames) expect(rule).toMatch(/^[a-z]+(?:-[a-z]+)*$/);
  });
});
