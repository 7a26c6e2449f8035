import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../../src/core/digest.ts';
import { canonicalBytes, type Json } from '../../src/core/json.ts';
import type { Bundle } from '../../src/format/bundle.ts';
import type { Finding } from '../../src/format/finding.ts';
import { type Lock, sealLock } from '../../src/format/lock.ts';
import type { SignatureVerdict } from '../../src/format/upstream.ts';
import { type Authority, resign, type SmallBundle, smallBundle } from './small-bundle.ts';

/** Texts of a bundle that its maker chose, wherever the documents let them in. */
export interface RichTexts {
  readonly text?: string;
}

const trusted = [{ path: 'vendor.pub', digest: digestOf(Buffer.from('k')) }];

/** A bundle with something of every kind that a page shows, and one text of the test's choice wherever a text can stand. */
export async function richBundle(
  place: string,
  authority: Authority,
  { text = 'Example Works' }: RichTexts = {},
): Promise<SmallBundle> {
  const small = await smallBundle({
    ...{ place, authority, crumbs: 12, parity: 1, weights: 9_000_000, partSize: 4_194_304 },
    installer: true,
    services: [
      {
        ...{ name: 'server', image: 'server', args: ['--model', '/models/tiny', text] },
        mounts: [{ model: 'tiny', path: '/models/tiny' }],
        env: { GREETING: text },
        ports: [{ name: 'http', container: 8000, host: '${' + 'parameters.port}' }],
        health: { server: 'vllm', port: 'http', model: 'tiny' },
      },
    ],
    acceptance: [
      {
        ...{ service: 'server', model: 'tiny', prompt: `What is the capital of France? ${text}` },
        expect: { contains: 'Paris' },
      },
    ],
    parameters: {
      port: { type: 'integer', default: 8080, description: `where clients ask ${text}` },
    },
    secrets: { token: { description: `of the proxy ${text}` } },
    recalls: [{ release: 'chat', versions: '<1.0.0', reason: `answers leak ${text}` }],
    requires: { host: { memory: '8GiB', gpu: { count: 1, memory: '24GiB' } } },
  });
  const write = (path: string, value: unknown): void =>
    writeFileSync(join(small.folder, path), canonicalBytes(value as Json));
  write('attestations/sbom.cdx.json', billOf(text));
  const lock = JSON.parse(
    readFileSync(join(small.folder, 'attestations/lock.json'), 'utf8'),
  ) as Lock;
  write('attestations/lock.json', sealLock({ ...lock, findings: findingsOf(text) }));
  const id = resign(small.folder, authority, { index: (bundle) => withTexts(bundle, text) });
  return { ...small, id };
}

function withTexts(bundle: Bundle, text: string): object {
  const held: SignatureVerdict = {
    ...{ result: 'passed', form: 'cosign', trusted, log: 'verified' },
    ...{ signedAt: '2026-11-20T10:00:00Z', signer: { key: 'b'.repeat(64), identities: [text] } },
  };
  const failed: SignatureVerdict = { result: 'failed', reason: text, trusted, log: 'none' };
  return {
    ...bundle,
    description: `A small model that answers in one sentence. ${text}`,
    models: bundle.models.map((each) => ({
      ...each,
      license: `apache-2.0 ${text}`,
      signature: failed,
    })),
    images: bundle.images.map((each) => ({
      ...each,
      source: `registry.example/${text}`,
      signature: held,
    })),
  };
}

function findingsOf(text: string): Finding[] {
  return [
    {
      ...{ source: 'tiny', file: 'tokenizer_config.json', rule: 'chat-template', severity: 'note' },
      ...{
        message: `a Jinja program of 2,114 characters ${text}`,
        digest: digestOf(Buffer.from('t')),
      },
    },
    {
      ...{ source: 'tiny', file: 'pytorch_model.bin', rule: 'pickle', severity: 'refusal' },
      ...{ message: 'a pickle, protocol 2, that calls torch._utils alone', allowed: text },
    },
    {
      ...{ source: 'tiny', file: 'README.md', rule: 'license-differs', severity: 'warning' },
      ...{ message: `the card says mit ${text}` },
    },
  ];
}

function billOf(text: string): object {
  const packages = [
    ...Array.from({ length: 40 }, (_, at) => ['deb', `debian/lib${at}`, 'MIT'] as const),
    ...Array.from({ length: 12 }, (_, at) => ['pypi', `module-${at}`, 'Apache-2.0'] as const),
    ['npm', 'left-pad', text] as const,
  ];
  return {
    bomFormat: 'CycloneDX',
    components: [
      {
        ...{ type: 'container', 'bom-ref': 'image:server' },
        components: [
          { type: 'operating-system', name: 'debian', description: `Debian GNU/Linux 12 ${text}` },
          ...packages.map(([type, name, license]) => ({
            ...{ type: 'library', purl: `pkg:${type}/${name}@1.0`, version: '1.0' },
            licenses: [{ license: { name: license } }],
          })),
        ],
        properties: [{ name: 'stowage:unread', value: `layer sha256:00: damaged ${text}` }],
      },
    ],
  };
}
