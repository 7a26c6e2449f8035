import { describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/format/plan.ts';
import { unapproved } from '../../../src/site/planning/plan-approval.ts';
import { generation, release } from '../../support/deployed.ts';
import { planned } from '../../support/planned.ts';

const plan = planned({ from: generation(1), to: generation(2, release()) });
const [arriving] = plan.to.releases;

describe('when a site applies approved plans only', () => {
  it.each<[Plan['intent'], string, string]>([
    ['install', arriving?.bundle ?? '', 'stowage plan chat@1.0.0 --output FILE'],
    ['uninstall', 'chat', 'stowage plan chat --uninstall --output FILE'],
    ['rollback', '1', 'stowage plan --rollback --to 1 --output FILE'],
  ])('names the command that writes the same plan: %s', (intent, subject, command) => {
    expect(unapproved({ ...plan, intent, subject }).hint).toContain(command);
  });
});
