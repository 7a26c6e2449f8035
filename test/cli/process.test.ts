import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nodeDefect } from '../../src/cli/process.ts';

describe('when the program starts on a version of Node', () => {
  it.each(['24.15.0', '24.21.0', '25.0.0', '26.10.0'])('runs with %s', (version) => {
    expect(nodeDefect(version)).toBeUndefined();
  });

  it.each(['18.19.0', '20.20.2', '22.23.3', '24.14.9', ''])('rejects %s as too old', (version) => {
    expect(nodeDefect(version)).toContain(`found:    ${version}`);
  });

  it('requires the same version as package.json', () => {
    const { engines } = JSON.parse(
      readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
    );
    expect(nodeDefect('0.0.0')).toContain(`Node ${engines.node.replace('>=', '')} or later`);
  });
});
