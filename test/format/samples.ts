import { digestOf, sriOf } from '../../src/core/digest.ts';
import type { Bundle } from '../../src/format/bundle.ts';
import type { ContainerWorkload } from '../../src/format/containers.ts';
import type { Fleet, FleetEntry, FleetSite } from '../../src/format/fleet.ts';
import type { Promotion, RecallOrder } from '../../src/format/fleet-orders.ts';
import type { Hop } from '../../src/format/hop.ts';
import type { InstallerComponents } from '../../src/format/installer.ts';
import type { LedgerEntry } from '../../src/format/ledger.ts';
import { digestOfLock, type Lock } from '../../src/format/lock.ts';
import type { Generation, Plan } from '../../src/format/plan.ts';
import type { KeyHandover, Receipt } from '../../src/format/receipt.ts';
import type { RepairList } from '../../src/format/repair-list.ts';
import type { SigningRequest } from '../../src/format/signing-request.ts';
import type { Site } from '../../src/format/site.ts';
import type { Trust } from '../../src/format/trust.ts';

/** Small valid documents, one of each kind, for tests to bend. */

const one = Buffer.from('1');
const two = Buffer.from('22');
export const ONE: string = digestOf(one);
export const TWO: string = digestOf(two);

type Loose<T> = { -readonly [K in keyof T]: unknown };

export function manifest(): Record<string, unknown> {
  return {
    apiVersion: 'stowage/v1',
    name: 'chat',
    version: '1.4.0',
    channel: 'stable',
    description: 'a model that answers',
    platforms: ['linux/amd64'],
    models: [
      {
        name: 'tiny',
        source: 'hf://demo/tiny@main',
        include: ['*.gguf'],
        exclude: [],
        licenses: ['apache-2.0'],
      },
    ],
    images: [{ name: 'server', source: 'registry.example/demo/server:1.0' }],
    files: [{ name: 'settings', source: './settings' }],
    services: [service()],
    acceptance: [
      {
        service: 'api',
        model: 'tiny',
        api: 'completions',
        prompt: 'hello',
        maxTokens: 12,
        withinSeconds: 30,
        expect: { contains: 'ready' },
      },
    ],
    parameters: { port: { type: 'integer', default: 8080, description: 'the port' } },
    secrets: { 'api-key': { description: 'what clients must send' } },
    requires: {
      releases: [{ name: 'base', version: '^1.2' }],
      conflicts: [{ name: 'old-chat', version: '*' }],
      host: {
        kernel: '>=5.10',
        cpuFeatures: ['avx2'],
        memory: 1_073_741_824,
        engine: { podman: '>=4.3' },
        gpu: {
          vendor: 'nvidia',
          count: 1,
          memory: 1_073_741_824,
          computeCapability: '8.0',
          driver: '550.54',
        },
      },
    },
    upgradeFrom: '>=1.2.0 <1.4.0',
  };
}

export function service(): Record<string, unknown> {
  return {
    name: 'api',
    image: 'server',
    args: ['--port', '${parameters.port}'],
    env: { MODEL: '/models/tiny' },
    dependsOn: [],
    mounts: [
      { model: 'tiny', path: '/models/tiny' },
      { files: 'settings', path: '/etc/server' },
      { template: 'settings', path: '/etc/server.conf' },
      { memory: 1024, path: '/tmp/cache' },
    ],
    adapters: [{ model: 'tiny', name: 'tiny-lora' }],
    secrets: [{ secret: 'api-key', path: '/run/secrets/api-key' }],
    ports: [{ name: 'http', container: 8000, host: '${parameters.port}' }],
    network: 'bridge',
    user: '10001:10001',
    readOnlyRoot: true,
    capabilities: [],
    pids: 4096,
    memory: 1_073_741_824,
    health: {
      server: 'vllm',
      path: '/health',
      port: 'http',
      model: 'tiny',
      startupSeconds: 60,
      startupLimitSeconds: 600,
      soakSeconds: 5,
    },
  };
}

export function lock(): Loose<Lock> {
  const fields: Omit<Loose<Lock>, 'digest'> = {
    schema: 'stowage/lock/v2',
    seq: 3,
    resolvedAt: '2026-11-21T10:00:00Z',
    manifest: manifest(),
    models: [
      {
        name: 'tiny',
        source: 'hf://demo/tiny@main',
        endpoint: 'https://hub.example',
        repository: 'demo/tiny',
        commit: 'c'.repeat(40),
        license: 'apache-2.0',
        gated: false,
        files: [
          { path: 'tiny.gguf', size: 1, digest: ONE },
          { path: 'README.md', size: 2, digest: TWO, gitOid: 'd'.repeat(40) },
        ],
      },
    ],
    images: [
      {
        name: 'server',
        source: 'registry.example/demo/server:1.0',
        repository: 'registry.example/demo/server',
        target: { digest: ONE, size: 1, mediaType: 'application/vnd.oci.image.index.v1+json' },
        platforms: [{ platform: 'linux/amd64', manifest: ONE, config: TWO }],
        blobs: [{ digest: ONE, size: 1, mediaType: 'application/vnd.oci.image.index.v1+json' }],
      },
    ],
    files: [
      {
        name: 'settings',
        source: './settings',
        kind: 'tree',
        path: 'settings',
        digest: TWO,
        size: 2,
      },
    ],
    findings: [
      {
        source: 'tiny',
        file: 'a.py',
        rule: 'remote-code',
        severity: 'warning',
        message: 'program code',
      },
    ],
  };
  return { ...fields, digest: digestOfLock(fields as unknown as Lock) };
}

export function part(bytes: Buffer, path: string, offset = 0): Record<string, unknown> {
  return { path, offset, size: bytes.length, sha512: sriOf(bytes), crc32: '0'.repeat(8) };
}

/** Where a whole blob lies. */
export const placeOf = (digest: string): string => `blobs/sha256/${digest.slice(7)}`;

export function bundle(): Loose<Bundle> {
  const { services, acceptance, parameters, secrets, requires } = manifest();
  return {
    schema: 'stowage/bundle/v1',
    name: 'chat',
    version: '1.4.0',
    channel: 'stable',
    description: '',
    seq: 3,
    resolvedAt: '2026-11-21T10:00:00Z',
    platforms: ['linux/amd64'],
    partSize: 4_194_304,
    models: [
      {
        name: 'tiny',
        source: 'hf://demo/tiny@main',
        repository: 'demo/tiny',
        commit: 'c'.repeat(40),
        license: 'apache-2.0',
        manifest: TWO,
        files: [
          { path: 'tiny.gguf', size: 1, digest: ONE },
          { path: 'README.md', size: 1, digest: ONE, gitOid: 'd'.repeat(40) },
        ],
      },
    ],
    images: [
      {
        name: 'server',
        source: 'registry.example/demo/server:1.0',
        repository: 'registry.example/demo/server',
        target: { digest: ONE, size: 1, mediaType: 'application/vnd.oci.image.manifest.v1+json' },
        platforms: [{ platform: 'linux/amd64', manifest: ONE, config: TWO }],
      },
    ],
    files: [
      {
        name: 'settings',
        source: './settings',
        kind: 'tree',
        path: 'settings',
        manifest: TWO,
        digest: ONE,
        size: 1,
      },
    ],
    blobs: [
      { digest: ONE, size: 1, parts: [part(one, placeOf(ONE))] },
      {
        digest: TWO,
        size: 2,
        parts: [
          part(two.subarray(0, 1), `${placeOf(TWO)}.0000`),
          part(two.subarray(1), `${placeOf(TWO)}.0001`, 1),
        ],
      },
    ],
    control: [{ path: 'oci-layout', size: 1, sha512: sriOf(one) }],
    services,
    acceptance,
    parameters,
    secrets,
    requires,
  };
}

export function trust(): Loose<Trust> {
  return {
    schema: 'stowage/trust/v1',
    version: 1,
    issuedAt: '2026-11-21T10:00:00Z',
    roots: [{ name: 'root', certificate: 'AAAA' }],
    roles: {
      root: { threshold: 1, roots: ['root'] },
      release: { threshold: 1, roots: ['root'] },
      approval: { threshold: 2, roots: ['root'] },
    },
    algorithms: ['ecdsa-p384-sha384'],
    revoked: [{ issuer: 'a'.repeat(64), serial: '1f', reason: 'lost' }],
  };
}

export function site(): Loose<Site> {
  return {
    apiVersion: 'stowage/v1',
    name: 'vault',
    target: 'podman',
    address: '127.0.0.1',
    channels: ['stable'],
    requireApproval: true,
    requirePlanApproval: true,
    labels: { building: 'north wing' },
    windows: [{ days: ['sat', 'sun'], from: '22:00', to: '04:00', timeZone: 'Europe/Berlin' }],
    suppressions: [
      { from: '2026-12-20T00:00:00Z', until: '2027-01-06T00:00:00Z', reason: 'year end' },
    ],
    confirmed: { chat: 2 },
    parameters: { chat: { port: 9000, greeting: 'hi', quiet: true } },
    secrets: { chat: { 'api-key': { file: '/etc/chat.key' }, token: { env: 'CHAT_TOKEN' } } },
  };
}

export function containerWorkload(): Loose<ContainerWorkload> {
  return {
    kind: 'containers',
    networks: [{ name: 'stowage-chat', release: 'chat', site: '0a1b2c3d', internal: false }],
    services: [
      {
        release: 'chat',
        name: 'api',
        site: '0a1b2c3d',
        unit: 'stowage-0a1b2c3d-chat-api',
        image: { repository: 'chat/server', manifest: ONE, config: TWO, tag: 'chat/server:1' },
        entrypoint: '/server',
        args: ['--port', '8080'],
        env: { MODEL: '/models/tiny' },
        dependsOn: [],
        mounts: [
          { source: '/var/lib/stowage/x', path: '/models/tiny' },
          { memory: 1024, path: '/tmp/cache' },
        ],
        secrets: [{ name: 'stowage-chat-api-key-0123456789ab', path: '/run/secrets/api-key' }],
        ports: [{ name: 'http', address: '127.0.0.1', host: 8080, container: 8000 }],
        network: 'bridge',
        networks: ['stowage-chat'],
        user: '1:1',
        readOnlyRoot: true,
        capabilities: ['CAP_IPC_LOCK'],
        pids: 4096,
        memory: 1024,
        sharedMemory: 1024,
        cpus: 1.5,
        gpus: 'all',
        health: {
          server: 'vllm',
          port: 'http',
          startupSeconds: 60,
          startupLimitSeconds: 600,
          soakSeconds: 0,
        },
      },
    ],
  };
}

export function generation(number: number): Loose<Generation> {
  return {
    schema: 'stowage/generation/v2',
    number,
    appliedAt: '2026-11-21T10:00:00Z',
    releases: [
      {
        name: 'chat',
        version: '1.4.0',
        seq: 3,
        bundle: 'e'.repeat(128),
        secrets: [{ name: 'stowage-chat-api-key-0123456789ab', secret: 'api-key' }],
        texts: [{ sha256: 'd'.repeat(64), text: 'port = 9000' }],
        workload: { kind: 'none' },
        acceptance: manifest()['acceptance'],
      },
    ],
  };
}

export function plan(): Loose<Plan> {
  const operation = { action: 'start-service', side: 'to', release: 'chat', subject: 'api' };
  return {
    schema: 'stowage/plan/v2',
    intent: 'install',
    subject: 'e'.repeat(128),
    site: 'vault',
    madeAt: '2026-11-21T10:00:00Z',
    from: generation(0),
    to: generation(1),
    constraints: [{ rule: 'port', satisfied: true, needs: '8080 is free', found: 'free' }],
    outage: { services: ['chat api'], seconds: 120 },
    steps: [
      {
        id: 1,
        do: operation,
        undo: { ...operation, action: 'stop-service' },
        service: 'api',
        reason: 'new',
      },
      { id: 2, do: { ...operation, action: 'switch-generation' }, reason: 'all hold' },
    ],
  };
}

export function receipt(): Loose<Receipt> {
  return {
    schema: 'stowage/receipt/v2',
    site: 'vault',
    at: '2026-11-21T10:00:00Z',
    tool: 'stowage 0.1.0',
    intent: 'install',
    outcome: 'kept',
    generation: 1,
    releases: [{ name: 'chat', version: '1.4.0', seq: 3, bundle: 'e'.repeat(128) }],
    generations: [1],
    held: { blobs: 2, bytes: 3 },
    health: [{ service: 'chat api', state: 'running', since: '2026-11-21T10:00:00Z' }],
    host: {
      platform: 'linux/amd64',
      kernel: '6.1.0',
      engine: 'podman 5.2.0',
      labels: { building: 'north wing' },
    },
    gates: [
      {
        service: 'api',
        check: 'acceptance',
        passed: true,
        expected: 'ready',
        found: 'is ready',
        milliseconds: 12,
      },
    ],
    overrides: [
      { rule: 'window', by: 'A. Officer', reason: 'outage', until: '2026-11-21T12:00:00Z' },
    ],
    ledger: { number: 7, digest: 'f'.repeat(128) },
  };
}

/** With what the site stores. */
export function receiptWithHoldings(): Loose<Receipt> {
  return {
    ...receipt(),
    schema: 'stowage/receipt/v4',
    holds: {
      bundles: [
        { name: 'chat', version: '1.4.0', seq: 3, bundle: 'e'.repeat(128), use: 'running' },
      ],
      unlisted: 1,
      installers: [{ platform: 'linux/amd64', sha512: sriOf(one) }],
      free: 7,
      heldUntil: '2027-02-21T10:00:00Z',
    },
  };
}

export function ledgerEntry(): Loose<LedgerEntry> {
  return {
    schema: 'stowage/ledger-entry/v2',
    number: 1,
    at: '2026-11-21T10:00:00Z',
    previous: '0'.repeat(128),
    event: {
      kind: 'accepted',
      product: 'chat',
      channel: 'stable',
      version: '1.4.0',
      seq: 3,
      bundle: 'e'.repeat(128),
      signedAt: '2026-11-20T10:00:00Z',
    },
  };
}

export function signingRequest(): SigningRequest {
  return {
    schema: 'stowage/signing-request/v1',
    bundle: 'ab'.repeat(64),
    name: 'approval-officer',
    signingTime: '2026-11-21T10:00:00Z',
    algorithm: 'ecdsa-p384-sha384',
    certificates: ['MAAA'],
    toBeSigned: 'MQAA',
    digest: { algorithm: 'sha384', value: 'cd'.repeat(48) },
  };
}

export function repairList(): RepairList {
  return {
    schema: 'stowage/repair-list/v1',
    name: 'chat',
    version: '1.4.0',
    bundle: '0'.repeat(128),
    partSize: 0,
    parts: [{ path: `blobs/sha256/${'0'.repeat(64)}`, size: 1, sha512: sriOf(one), damaged: [] }],
  };
}

/** For an installer with these bytes. */
export function installerComponents(
  installer = 'stowage-linux-x64',
  bytes: Uint8Array = one,
): InstallerComponents {
  const zod = { name: 'zod', version: '4.0.0', purl: 'pkg:npm/zod@4.0.0', license: 'MIT' };
  const scoped = { name: '@s/a', version: '1.0.0', purl: 'pkg:npm/%40s/a@1.0.0' };
  return {
    schema: 'stowage/installer-components/v1',
    installer,
    sha512: sriOf(bytes),
    packages: [
      { ...scoped, sha512: 'ab'.repeat(64), dependsOn: [zod.purl] },
      { ...zod, dependsOn: [] },
    ],
    runtime: {
      ...{ name: 'node', version: '24.0.0', purl: 'pkg:generic/node@24.0.0', license: 'MIT' },
      sha256: 'cd'.repeat(32),
      parts: [
        { name: 'openssl', version: '3.5.0', purl: 'pkg:generic/openssl@3.5.0' },
        { name: 'undici', version: '7.0.0', purl: 'pkg:npm/undici@7.0.0' },
      ],
    },
  };
}

export function fleet(): Loose<Fleet> {
  return {
    apiVersion: 'stowage/v1',
    name: 'works',
    receiptDays: 30,
    channels: {
      candidate: {},
      stable: {
        from: 'candidate',
        evidence: { healthy: { sites: 3, days: 7 }, approval: true },
      },
    },
  };
}

export function fleetSite(): Loose<FleetSite> {
  return {
    schema: 'stowage/fleet-site/v1',
    name: 'vault',
    number: 2,
    at: '2026-11-21T10:00:00Z',
    certificate: 'AAAA',
    target: 'podman',
    labels: { region: 'north' },
    channels: ['stable'],
    contact: 'Site office',
    retired: true,
  };
}

export function fleetEntry(): Loose<FleetEntry> {
  return {
    schema: 'stowage/fleet-entry/v1',
    at: '2026-11-21T10:00:00Z',
    previous: ['f'.repeat(128)],
    by: { uid: 1000, sudoUser: 'engineer' },
    action: 'take',
    subject: '1 document of vault',
    files: [{ path: 'receipts/vault/1.json', sha512: 'e'.repeat(128) }],
  };
}

export function keyHandover(): Loose<KeyHandover> {
  return {
    schema: 'stowage/key-handover/v1',
    site: 'vault',
    at: '2026-11-21T10:00:00Z',
    certificate: 'AAAA',
  };
}

export function hop(): Loose<Hop> {
  return {
    schema: 'stowage/hop/v1',
    ...{ site: 'vault', at: '2026-11-21T10:00:00Z', tool: 'stowage 0.1.0' },
    bundle: { name: 'chat', version: '1.4.0', seq: 3, id: 'e'.repeat(128) },
    ...{ files: 12, bytes: 3456, omitted: 2, for: ['plant-7'], previous: 'f'.repeat(128) },
  };
}

export function promotion(): Loose<Promotion> {
  return {
    schema: 'stowage/promotion/v1',
    ...{ release: 'chat', version: '1.4.0', seq: 3, bundle: 'e'.repeat(128) },
    ...{ from: 'candidate', to: 'stable', at: '2026-11-21T10:00:00Z' },
    evidence: ['channel candidate has it: it is in candidate'],
    approval: true,
  };
}

export function recallOrder(): Loose<RecallOrder> {
  return {
    schema: 'stowage/recall-order/v1',
    ...{ number: 1, release: 'chat', versions: '<1.4.0', reason: 'leak' },
    strategy: { backTo: '1.2.0' },
    at: '2026-11-21T10:00:00Z',
  };
}
