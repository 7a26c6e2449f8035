import { describe, expect, it } from 'vitest';
import { compareResults } from '../../../src/site/evaluation/compare-results.ts';
import { comparisonPage } from '../../../src/site/evaluation/comparison-page.ts';
import { one, result } from './sample-result.ts';

describe('two results', () => {
  const before = result([
    one('kept', true),
    one('lost', true),
    one('won', false),
    one('bad', false),
    one('old', true),
  ]);
  const after = result([
    one('kept', true),
    one('lost', false),
    one('won', true),
    one('bad', false),
    one('fresh', true),
  ]);

  it('are compared question by question, what was lost first', () => {
    expect(compareResults(before, after).map(({ id, change }) => `${id} ${change}`)).toEqual([
      'lost lost',
      'won gained',
      'bad failed',
      'fresh new',
      'old gone',
      'kept passed',
    ]);
  });

  it('become a page that says what was lost, without a resource from elsewhere', () => {
    const page = comparisonPage(before, after).toString();
    expect(page).toContain('One question that passed before fails now');
    expect(page).toContain('Passed before, failed now');
    for (const id of ['lost', 'won', 'bad'])
      expect(page).toContain(`an answer that is &quot;${id}&quot;`);
    expect(page).not.toMatch(/src=|href="http|@import|url\(/);
    expect(comparisonPage(before, before).toString()).toContain(
      'Nothing that passed before fails now',
    );
  });

  it('show an answer that is markup as the text that it is', () => {
    const attack = '</td><script>alert(1)</script><img src=x onerror=alert(1)>';
    const page = comparisonPage(before, result([one('lost', false, attack)], [attack])).toString();
    expect(page).not.toContain('<script>alert');
    expect(page).not.toContain('<img');
    expect(page).toContain('&lt;script&gt;');
  });
});
