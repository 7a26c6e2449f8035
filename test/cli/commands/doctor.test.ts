import { describe, expect, it } from 'vitest';
import { RELEASED } from '../../../src/site/doctor/examine-host.ts';
import { runProgram } from '../../support/fake-terminal.ts';

const runtime = {
  node: '24.21.0',
  openssl: '3.5.8',
  sharedOpenssl: false,
  flags: [],
  libraries: () => [],
};
const fit = { runtime, env: { PATH: process.env['PATH'] }, now: () => RELEASED };

describe('when doctor checks a host', () => {
  it('exits with 0 if no check failed, and shows each check', async () => {
    const { status, stdout, stderr } = await runProgram(['doctor'], '/', fit);
    expect([status, stderr]).toEqual([0, '']);
    for (const name of ['sha512', 'ml-dsa-87', 'OpenSSL', 'FIPS', 'clock', 'podman'])
      expect(stdout).toMatch(new RegExp(`^  (?:ok|warn) {2,4}${name} `, 'm'));
  });

  it('exits with 12 if a check failed, and shows each check', async () => {
    const { status, stdout } = await runProgram(['doctor'], '/', {
      ...fit,
      now: () => new Date(0),
    });
    expect(status).toBe(12);
    expect(stdout).toMatch(/^this host is not fit: 1 of \d+ checks failed\n/);
    expect(stdout).toContain('  FAIL  clock ');
    expect(stdout).toContain('  ok    ml-dsa-87 ');
    expect(stdout).toContain('hint: set the clock');
  });

  it('returns the same as data', async () => {
    const { status, stdout } = await runProgram(['doctor', '--json'], '/', {
      ...fit,
      now: () => new Date(0),
    });
    expect(status).toBe(12);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ fit: false, node: '24.21.0', openssl: '3.5.8' });
    expect(report.findings).toContainEqual(
      expect.objectContaining({ area: 'clock', verdict: 'wrong' }),
    );
  });

  it('shows hostile variables with control characters escaped', async () => {
    const env = { ...fit.env, LD_PRELOAD: '/tmp/\x1b[2Jevil.so' };
    const { status, stdout } = await runProgram(['doctor'], '/', { ...fit, env });
    expect(status).toBe(0);
    expect(stdout).toContain('/tmp/<U+001B>[2Jevil.so');
    expect(stdout).toContain('hint: unset LD_PRELOAD');
  });
});
