import { createHash } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { canonicalBytes, type Json } from '../../src/core/json.ts';
import { bundleKind } from '../../src/format/bundle.ts';
import type { ContainerWorkload } from '../../src/format/containers.ts';
import {
  currentVersion,
  type DocumentKind,
  olderVersion,
  readCanonical,
  readJson,
  readValue,
  versionOf,
  writeCanonical,
} from '../../src/format/document.ts';
import { deviceSpecificationKind } from '../../src/format/foreign.ts';
import { installerComponentsKind } from '../../src/format/installer.ts';
import { ledgerEntryKind, ledgerHeadKind } from '../../src/format/ledger.ts';
import { lockKind } from '../../src/format/lock.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { generationKind, planKind } from '../../src/format/plan.ts';
import { receiptKind } from '../../src/format/receipt.ts';
import { repairListKind } from '../../src/format/repair-list.ts';
import { reportKind } from '../../src/format/report.ts';
import { signingRequestKind } from '../../src/format/signing-request.ts';
import { siteKind } from '../../src/format/site.ts';
import { journalKind } from '../../src/format/site-state.ts';
import { trustKind } from '../../src/format/trust.ts';
import { readYaml } from '../../src/format/yaml-document.ts';
import { specificationOf } from '../../src/target/container/container-arguments.ts';
import { containersOf } from '../../src/target/container/workload.ts';
import { sampleReport } from '../bundle/report/sample.ts';
import { expectCode } from '../support/error.ts';
import { type Next, nextVersion } from '../support/next-version.ts';
import * as sample from './samples.ts';

const HEAD = 'apiVersion: stowage/v1\nname: a\nversion: 1.0.0\n';

describe('when YAML is read', () => {
  it.each([
    ['an alias', `${HEAD}description: &a x\nchannel: *a\n`],
    [
      'a bomb of aliases',
      'a: &a [1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: [*c,*c,*c]\n',
    ],
    ['an alias to itself', 'a: &a [*a]\n'],
    ['a merge key', `${HEAD}<<: {channel: x}\n`],
    ['a key twice', `${HEAD}name: b\n`],
    ['a key twice further in', `${HEAD}parameters: {a: 1, a: 2}\n`],
    ['a key twice, once quoted', `${HEAD}"name": b\n`],
    ['two documents', `${HEAD}---\n${HEAD}`],
    ['a tag that nobody defined', `${HEAD}description: !secret x\n`],
    ['a tag that runs code elsewhere', `${HEAD}description: !!js/function "x"\n`],
    ['a tab for indentation', `${HEAD}requires:\n\treleases: []\n`],
    ['an end in the middle', `${HEAD}description: "x`],
    ['20,000 levels', '['.repeat(20_000)],
    ['2,000 levels in other brackets', `${HEAD}requires: ${'{a: '.repeat(2000)}`],
    ['nothing', ''],
    ['a comment alone', '# nothing\n'],
    ['a list', '- a\n'],
  ])('refuses %s', async (_, text) => {
    const warn = vi.spyOn(process, 'emitWarning');
    await expectCode(() => readYaml(manifestKind, Buffer.from(text)), 'manifest-invalid');
    expect(warn).not.toHaveBeenCalled();
  });

  it.each([
    ['invalid UTF-8', Buffer.from([0x61, 0xff])],
    ['UTF-16', Buffer.from('a: b', 'utf16le')],
    ['a lone surrogate in UTF-8', Buffer.from([0xed, 0xa0, 0x80])],
    ['one byte over its size', Buffer.alloc(manifestKind.maxBytes + 1, '#')],
  ])('refuses %s', async (_, bytes) => {
    await expectCode(() => readYaml(manifestKind, bytes), 'manifest-invalid');
  });

  it('reads up to the limit of bytes', () => {
    const comment = Buffer.alloc(manifestKind.maxBytes - HEAD.length, '#');
    expect(readYaml(manifestKind, Buffer.concat([Buffer.from(HEAD), comment])).name).toBe('a');
  });

  it('reads words that were booleans in older YAML as strings', () => {
    const text = 'apiVersion: stowage/v1\nname: no\nparameters: {a: {x: yes, y: on, z: 010}}\n';
    const site = readYaml(siteKind, Buffer.from(text));
    expect(site.name).toBe('no');
    expect(site.parameters['a']).toEqual({ x: 'yes', y: 'on', z: 10 });
  });

  it('reports all defects with their paths, at most fifty', async () => {
    const models = Array.from({ length: 60 }, () => '{}').join(',');
    const text = `${HEAD}models: [${models}]\n`;
    const error = await expectCode(
      () => readYaml(manifestKind, Buffer.from(text)),
      'manifest-invalid',
    );
    expect(error.message).toBe('manifest has 120 defects');
    expect(error.defects).toHaveLength(50);
    expect(error.defects[0]).toMatch(/^models\[0\]\.name: /);
  });

  it('reports for a union the defects of the closest branch', async () => {
    const text = `${HEAD}images: [{name: i, source: x}]\nservices: [{name: s, image: i, mounts: [{model: a, path: b}]}]\n`;
    const error = await expectCode(
      () => readYaml(manifestKind, Buffer.from(text)),
      'manifest-invalid',
    );
    expect(error.defects[0]).toBe(
      'services[0].mounts[0].path: expected an absolute path of portable names',
    );
  });
});

/** A kind of document, a sample of its first version, and how it names it. */
const kinds: readonly [string, DocumentKind<unknown>, object][] = [
  ['stowage/bundle/v', bundleKind, sample.bundle()],
  ['stowage/lock/v', lockKind, sample.lock()],
  ['stowage/trust/v', trustKind, sample.trust()],
  ['stowage/plan/v', planKind, sample.plan()],
  ['stowage/generation/v', generationKind, sample.generation(1)],
  ['stowage/receipt/v', receiptKind, sample.receipt()],
  ['stowage/repair-list/v', repairListKind, sample.repairList()],
  ['stowage/report/v', reportKind, sampleReport()],
  ['stowage/signing-request/v', signingRequestKind, sample.signingRequest()],
  ['stowage/installer-components/v', installerComponentsKind, sample.installerComponents()],
  ['stowage/journal-entry/v', journalKind, { step: 1, state: 'begun' }],
  ['stowage/ledger-entry/v', ledgerEntryKind, sample.ledgerEntry()],
  ['stowage/ledger-head/v', ledgerHeadKind, { number: 7, digest: 'f'.repeat(128) }],
  ['stowage/v', manifestKind, sample.manifest()],
  ['stowage/v', siteKind, sample.site()],
];

describe.each(kinds)(
  'when a document names its version as %s1 (attack 145)',
  (prefix, kind, v1) => {
    const { member = 'schema', namedSince = 1 } = kind.versionIn ?? {};
    const current = currentVersion(kind);
    const bytes = (document: object): Buffer => canonicalBytes(document as Json);
    const named = (version: string): Buffer => bytes({ ...v1, [member]: `${prefix}${version}` });

    it('reads the current version', () => {
      expect(readCanonical(kind, writeCanonical(kind, readValue(kind, v1)))).toEqual(
        readValue(kind, v1),
      );
    });

    it.each(['1 newer', '2 newer', 'far newer'])('tells that a document is %s', async (which) => {
      const version = { '1 newer': 1, '2 newer': 2 }[which] ?? 999_999_999 - current;
      const error = await expectCode(
        () => readCanonical(kind, named(String(current + version))),
        'format-newer',
      );
      expect(error.exitStatus).toBe(1);
      expect(error.found).toBe(`${prefix}${current + version}`);
      expect(error.expected).toContain(`${prefix}${current}`);
      expect(error.defects).toEqual([]);
      expect(`${error.hint} ${error.message}`).not.toContain('do not use');
    });

    it('looks at nothing else in a newer one', async () => {
      const document = { [member]: `${prefix}${current + 1}`, nothing: ['that', 'it', 'knows'] };
      await expectCode(() => readJson(kind, bytes(document)), 'format-newer');
      await expectCode(() => readYaml(kind, bytes(document)), 'format-newer');
    });

    it.each([
      ...['', '0', '-1', '01', '1 ', ' 1', '1.0', '1.1', '+1', '1e3', '0x2', 'v2', '2v', '２'],
      ...['9'.repeat(10), '1000000000', '2\n', '2\u0000', '2/v1', '2 or later'],
    ])('refuses version %j', async (version) => {
      await expectCode(() => readJson(kind, named(version)), kind.code);
    });

    it.each([
      ['another kind', 'stowage/other/v2'],
      ['another product', `other/${prefix.slice('stowage/'.length)}2`],
      ['capitals', `${prefix.toUpperCase()}2`],
      ['a number', 2],
      ['a list', [`${prefix}2`]],
      ['an object', { version: 2 }],
      ['null', null],
      ['true', true],
    ])('refuses %s in its place', async (_, value) => {
      await expectCode(() => readJson(kind, bytes({ ...v1, [member]: value })), kind.code);
    });

    it('refuses a document that says nothing of it, unless the first version never did', async () => {
      const { [member as never]: _, ...rest } = v1 as Record<string, unknown>;
      if (namedSince === 2) expect(readJson(kind, bytes(rest))).toEqual(v1);
      else await expectCode(() => readJson(kind, bytes(rest)), kind.code);
    });

    it('refuses a document of a list, of text, of nothing', async () => {
      for (const value of [[], 'x', null, 7, `${prefix}2`])
        await expectCode(() => readJson(kind, Buffer.from(JSON.stringify(value))), kind.code);
    });

    it('is not told by what every object inherits', async () => {
      const polluted = Object.prototype as Record<string, unknown>;
      try {
        polluted[member] = `${prefix}${current + 1}`;
        expect(versionOf(kind, {})).toBe(namedSince === 2 ? 1 : undefined);
      } finally {
        delete polluted[member];
      }
    });

    describe('by a program that is two versions ahead', () => {
      const second = nextVersion(kind);
      const third: DocumentKind<Next<Next<unknown>>> = nextVersion(second);
      const v2 = { [member]: `${prefix}${current + 1}`, was: readValue(kind, v1) };
      const v3 = { [member]: `${prefix}${current + 2}`, was: v2 };

      it('converts an old document one version at a time', () => {
        expect(readJson(second, bytes(v1))).toEqual(v2);
        expect(readJson(third, bytes(v1))).toEqual(v3);
        expect(readJson(third, bytes(v2))).toEqual(v3);
        expect(readJson(third, bytes(v3))).toEqual(v3);
      });

      it('makes the same of the same document again', () => {
        const once = writeCanonical(third, readJson(third, bytes(v1)));
        expect(writeCanonical(third, readJson(third, bytes(v1)))).toEqual(once);
        expect(readCanonical(third, once)).toEqual(v3);
      });

      it('refuses a document of one shape that says the version of another', async () => {
        for (const [shape, says] of [
          [v2, current],
          [v3, current],
          [v1, current + 1],
          [v3, current + 1],
          [v1, current + 2],
          [v2, current + 2],
        ] as const) {
          const document = bytes({ ...shape, [member]: `${prefix}${says}` });
          await expectCode(() => readJson(third, document), kind.code);
        }
      });

      it('refuses a field too many in an old document, before it converts it', async () => {
        for (const document of [v1, v2])
          await expectCode(() => readJson(third, bytes({ ...document, extra: 1 })), kind.code);
      });

      it('tells a version that is newer still', async () => {
        const newer = { ...v3, [member]: `${prefix}${current + 3}` };
        const error = await expectCode(() => readJson(third, bytes(newer)), 'format-newer');
        expect(error.expected).toBe(`${prefix}1 to ${prefix}${current + 2}`);
      });

      it('writes its own version alone', async () => {
        await expectCode(() => writeCanonical(third, v2 as never), kind.code);
        await expectCode(() => writeCanonical(second, v1 as never), kind.code);
      });
    });
  },
);

describe('when a converter is wrong', () => {
  it('refuses what it made', async () => {
    const kind = nextVersion(trustKind);
    const wrong = { ...kind, older: [olderVersion(trustKind.schema, () => ({ was: 'lost' }))] };
    await expectCode(() => readValue(wrong, sample.trust()), 'document-invalid');
  });
});

describe('when a document is defined elsewhere', () => {
  it('has no version of ours', () => {
    const specification = { cdiVersion: '0.6.0', kind: 'nvidia.com/gpu', devices: [] };
    expect(readValue(deviceSpecificationKind, specification).kind).toBe('nvidia.com/gpu');
  });
});

describe('when a site was made by version 0.1', () => {
  const { services: samples } = sample.containerWorkload() as unknown as ContainerWorkload;
  const service: Record<string, unknown> = { ...samples[0] };
  delete service['site'];
  const release = {
    ...{ name: 'chat', version: '1.4.0', seq: 3, bundle: 'e'.repeat(128) },
    networks: [{ name: 'stowage-chat', release: 'chat', internal: false }],
    ...{ secrets: [], texts: [], services: [service], acceptance: [] },
  };
  const v1 = (releases: readonly object[]) => ({
    schema: 'stowage/generation/v1',
    ...{ number: 1, appliedAt: '2026-11-21T10:00:00Z', releases },
  });

  it('reads a generation as one whose workloads are containers, with the names that run', () => {
    const { networks, services, ...rest } = release;
    expect(readValue(generationKind, v1([release]))).toEqual({
      ...v1([]),
      schema: 'stowage/generation/v2',
      releases: [{ ...rest, workload: { kind: 'containers', networks, services } }],
    });
  });

  it('reads a release without services as one that runs nothing', () => {
    const served = readValue(generationKind, v1([{ ...release, networks: [], services: [] }]));
    expect(served.releases[0]?.workload).toEqual({ kind: 'none' });
  });

  it('knows the containers that run by the specification that they were started with', () => {
    const [read] = readValue(generationKind, v1([release])).releases;
    const [container] = read === undefined ? [] : containersOf(read).services;
    if (container === undefined) throw new Error('no container');
    const bytes = canonicalBytes(service as unknown as Json);
    expect(specificationOf(container)).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('takes up a plan, and knows which of its steps start and stop services', () => {
    const about = { side: 'to', release: 'chat' } as const;
    const step = (id: number, action: string, undo: string, subject: string) => ({
      id,
      do: { ...about, action, subject },
      undo: { ...about, action: undo, subject },
      reason: 'x',
    });
    const steps = [
      step(1, 'load-image', 'unload-image', 'tag'),
      step(2, 'start-service', 'stop-service', 'api'),
    ];
    const [from, to] = [v1([]), v1([release])];
    const plan = { ...sample.plan(), schema: 'stowage/plan/v1', from, to, steps };
    expect(readValue(planKind, plan).steps.map(({ service: each }) => each)).toEqual([
      undefined,
      'api',
    ]);
  });

  it('refuses what no version 0.1 wrote', async () => {
    const odd = v1([{ ...release, services: [{ ...service, site: '0a1b2c3d' }] }]);
    await expectCode(() => readValue(generationKind, odd), 'state-damaged');
    const workload = { kind: 'none' };
    await expectCode(
      () => readValue(generationKind, v1([{ ...release, workload }])),
      'state-damaged',
    );
  });
});
