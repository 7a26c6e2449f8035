import type { Digest } from '../../../src/core/digest.ts';
import type { Report } from '../../../src/format/report.ts';

const digest = `sha256:${'a1'.repeat(32)}` as Digest;

/** A report that says passed, of a bundle with one of everything. */
export function sampleReport(values: Partial<Report> = {}): Report {
  const fingerprint = 'c3'.repeat(32);
  return {
    schema: 'stowage/report/v1',
    outcome: 'passed',
    startedAt: '2026-11-21T10:00:00Z',
    endedAt: '2026-11-21T10:00:07Z',
    milliseconds: 7000,
    folder: '/media/disc/chat-1.0.0',
    id: 'e5'.repeat(64),
    bundle: {
      name: 'chat',
      version: '1.0.0',
      channel: 'stable',
      description: 'a model that chats',
      seq: 3,
      resolvedAt: '2026-11-20T00:00:00Z',
      platforms: ['linux/amd64'],
      files: 12,
      bytes: 5_000_000,
    },
    steps: [
      { name: 'signatures', checks: 'x', outcome: 'passed', signatures: 1, milliseconds: 2 },
      { name: 'verify', checks: 'x', outcome: 'passed', bytes: 5_000_000, milliseconds: 20 },
    ],
    signatures: [
      {
        file: 'signatures/release.p7s',
        counted: true,
        signer: {
          subject: 'O=Example Agency, CN=Release',
          serial: '1f',
          certificate: 'b2'.repeat(32),
          key: 'd4'.repeat(32),
          algorithm: 'ecdsa-p384-sha384',
          signingTime: '2026-11-20T10:00:00Z',
          root: 'agency',
        },
      },
    ],
    trust: {
      subject: 'trust document 2',
      fingerprint,
      kind: 'document',
      version: 2,
      issuedAt: '2026-11-01T00:00:00Z',
      algorithms: ['ecdsa-p384-sha384'],
      roles: [{ name: 'release', threshold: 1, roots: ['agency'] }],
      roots: [
        {
          name: 'agency',
          subject: 'O=Example Agency, CN=Root',
          serial: '2f',
          certificate: fingerprint,
          notAfter: '2036-01-01T00:00:00Z',
        },
      ],
      revoked: 0,
    },
    contents: {
      models: [
        {
          name: 'tiny',
          source: 'hf://example/tiny@main',
          repository: 'example/tiny',
          commit: 'f6'.repeat(20),
          license: 'apache-2.0',
          files: [{ path: 'model.safetensors', size: 5000, digest }],
        },
      ],
      images: [
        {
          name: 'server',
          source: 'registry.example/server:1',
          repository: 'registry.example/server',
          digest,
          platforms: [{ platform: 'linux/amd64', manifest: digest, config: digest }],
        },
      ],
      files: [
        {
          name: 'settings',
          source: './settings.json',
          kind: 'file',
          path: 'settings.json',
          size: 24,
          digest,
        },
      ],
    },
    findings: [],
    unchecked: [{ what: 'the moon', why: 'it is far away' }],
    tool: { name: 'stowage', version: '0.1.0' },
    host: { platform: 'Linux 6.1, x64', node: '24.21.0', openssl: '3.5.8' },
    ...values,
  };
}

export const sampleFailure: NonNullable<Report['failure']> = {
  code: 'part-damaged',
  exitStatus: 10,
  message: 'a part is damaged',
  expected: 'ab'.repeat(64),
  found: 'other bytes',
  hint: 'copy this file again',
  defects: ['one', 'two'],
};
