import { describe, expect, it } from 'vitest';
import { nearestTests } from './support/nearest-tests.ts';

const unit = [
  'test/trust/der.test.ts',
  'test/trust/certificate.test.ts',
  'test/core/digest.test.ts',
  'test/cli/commands/sign.test.ts',
  'test/cli/commands/doctor.test.ts',
];
const near = (file: string, durations = new Map<string, number>()): readonly string[] =>
  nearestTests([file], unit, durations).tests;

describe('when the tests for a change are chosen', () => {
  it('takes the one that imports it before those that reach it through others', () => {
    const [first, ...others] = near('src/trust/der.ts');
    expect(first).toBe('test/trust/der.test.ts');
    expect(others).toContain('test/trust/certificate.test.ts');
    expect(others).not.toContain('test/core/digest.test.ts');
  });

  it('takes a test that changed itself', () => {
    expect(near('test/core/digest.test.ts')).toEqual(['test/core/digest.test.ts']);
  });

  it('takes tests that run the program for a command that they name, and no others', () => {
    expect(near('src/cli/commands/sign.ts')).toContain('test/cli/commands/sign.test.ts');
    expect(near('src/cli/commands/sign.ts')).not.toContain('test/cli/commands/doctor.test.ts');
  });

  it('leaves out what takes longer than there is time, and says how many there are', () => {
    const slow = new Map([['test/trust/certificate.test.ts', 60_000]]);
    const found = nearestTests(['src/trust/der.ts'], unit, slow);
    expect(found.tests).toContain('test/trust/der.test.ts');
    expect(found.tests).not.toContain('test/trust/certificate.test.ts');
    expect(found.reached).toBeGreaterThan(found.tests.length);
  });

  it('runs the nearest, however long it takes', () => {
    const slow = new Map([['test/trust/der.test.ts', 60_000]]);
    expect(near('src/trust/der.ts', slow)[0]).toBe('test/trust/der.test.ts');
  });

  it('takes none for what no test reaches', () => {
    expect(nearestTests(['LICENSE'], unit, new Map())).toEqual({ tests: [], reached: 0 });
  });
});
