import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import {
  grantsFor,
  type RightsNeeds,
  rightsFor,
  rightsOf,
} from '../../../../src/target/kubernetes/constraints/rights.ts';
import { roleTexts } from '../../../../src/target/kubernetes/doctor/role.ts';
import { workloadOf } from '../../../../src/target/kubernetes/workload.ts';
import { bundleFrom, clusterSite, deployed, twoServices } from '../rendered.ts';

const ACCOUNT = 'system:serviceaccount:ops:stowage';
const shared: RightsNeeds = {
  namespace: 'models',
  local: false,
  exec: true,
  fill: false,
  claims: false,
  budgets: true,
  groups: false,
};
const own: RightsNeeds = {
  local: true,
  exec: true,
  fill: false,
  claims: false,
  budgets: true,
  groups: false,
};
const page = readFileSync(new URL('../../../../manifests/KUBERNETES.md', import.meta.url), 'utf8');

describe('when the role of an account is printed', () => {
  it.each([
    ['a namespace of the owner', shared],
    ['namespaces of its own', own],
  ])('reads as the objects that it is, for %s', (_, needs) => {
    const texts = roleTexts(needs, ACCOUNT);
    const documents = parseAllDocuments(texts.map(({ yaml }) => yaml).join('---\n'));
    expect(documents.map((each) => each.toJS())).toEqual(texts.map(({ object }) => object));
  });

  it('grants nothing outside a namespace of the owner but reading', () => {
    const [role, binding, cluster] = roleTexts(shared, ACCOUNT).map(({ object }) => object);
    expect(role).toMatchObject({
      kind: 'Role',
      metadata: { name: 'stowage', namespace: 'models' },
    });
    expect(binding).toMatchObject({
      kind: 'RoleBinding',
      subjects: [{ kind: 'ServiceAccount', name: 'stowage', namespace: 'ops' }],
    });
    const rules = cluster?.['rules'] as { verbs: string[] }[];
    expect(new Set(rules.flatMap(({ verbs }) => verbs))).toEqual(new Set(['get', 'list']));
  });

  it('grants what a release needs, and no wildcard', () => {
    const workload = workloadOf(
      deployed(bundleFrom(twoServices), clusterSite({ namespace: 'models' })),
    );
    expect(rightsOf(grantsFor(shared), 'models')).toEqual(
      expect.arrayContaining(rightsFor(workload)),
    );
    expect(JSON.stringify(roleTexts(own, ACCOUNT))).not.toContain('*');
  });

  it.each([
    ['a name with a colon', 'oidc:ops', '"oidc:ops"'],
    ['a name that YAML reads as a value', 'true', '"true"'],
    ['a name with a line feed', 'a\nb', '"a\\nb"'],
  ])('quotes %s', (_, account, text) => {
    const binding = roleTexts(shared, account)[1];
    expect(binding?.yaml).toContain(`- { kind: User, name: ${text}, apiGroup: `);
  });

  it('is the Role of the page', () => {
    const [role, , cluster] = roleTexts(shared, ACCOUNT);
    expect(page).toContain(`\`\`\`yaml\n${role?.yaml}\`\`\``);
    expect(page).toContain(`\`\`\`yaml\n${cluster?.yaml}\`\`\``);
  });
});
