import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Lock } from '../../src/format/lock.ts';
import type { SignatureVerdict } from '../../src/format/upstream.ts';
import { pemOf } from '../build/upstream/publisher.ts';
import { stowage } from '../e2e/cli.ts';
import { cosignProgram, hasCosign } from '../lab/cosign.ts';
import { PrivateSigstore } from '../lab/private-sigstore.ts';
import { run } from '../lab/process.ts';
import { pushLayout, type Registry, startRegistry } from '../lab/registry.ts';
import { identityToken, type SigstoreServer, serveSigstore } from '../lab/sigstore-server.ts';
import { type LayoutImage, tinyImage } from '../lab/tiny-image.ts';
import { scratchFolder } from '../support/scratch.ts';

// Real cosign signs images in a real registry without a referrers API; stowage lock verifies what it wrote.
const scratch = scratchFolder();
const work = scratch.fresh('work');
const REASON = 'cosign is built from its sources, which needs Go 1.26 and a module proxy';
const available = await hasCosign();
const BUILD_TIME = 1_200_000;

interface Refusal {
  readonly code: string;
  readonly found: string;
}

const mail = 'release@vendor.example';
const issuer = 'https://login.vendor.example';
const KEY = ['--use-signing-config=false', '--tlog-upload=false', '--key'];
const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

let registry: Registry;
let sigstore: SigstoreServer;
let cosign: (...args: readonly string[]) => Promise<string>;
let signed: LayoutImage;
let altered: LayoutImage;
let count = 0;

beforeAll(async () => {
  if (!available) return;
  const program = await cosignProgram();
  mkdirSync(join(work, 'home'), { recursive: true });
  const env = { ...process.env, HOME: join(work, 'home'), COSIGN_PASSWORD: 'lab' };
  cosign = (...args) => run(program, args, { cwd: work, env });
  registry = await startRegistry(scratch.fresh('registry'));
  signed = await tinyImage(scratch.fresh('image'));
  altered = await tinyImage(scratch.fresh('image'), { content: 'altered' });
  for (const name of ['vendor', 'other'])
    await cosign('generate-key-pair', '--output-key-prefix', name);
  const instance = new PrivateSigstore(join(work, 'sigstore'));
  sigstore = await serveSigstore(instance);
  const roots = { trusted: instance, untrusted: new PrivateSigstore(join(work, 'untrusted')) };
  for (const [name, each] of Object.entries(roots))
    writeFileSync(
      join(work, `${name}_root.json`),
      JSON.stringify(each.trustedRoot(sigstore.addresses)),
    );
  writeFileSync(join(work, 'rekor.pub'), pemOf(instance.log));
  await writeSigningConfig();
}, BUILD_TIME);

afterAll(async () => {
  await Promise.all([registry?.stop(), sigstore?.stop()]);
});

beforeEach(({ skip, task }) => {
  if (available) return;
  Object.assign(task.meta, { reason: REASON });
  skip(REASON);
});

/** The endpoints of the lab's services, for cosign. */
async function writeSigningConfig(): Promise<void> {
  const { fulcio, rekor, timestamps } = sigstore.addresses;
  const at = (url: string): string =>
    `url=${url},api-version=1,start-time=2020-01-01T00:00:00Z,operator=lab`;
  await cosign(
    ...['signing-config', 'create', '--out', 'signing_config.json'],
    ...['--fulcio', at(fulcio), '--oidc-provider', at(`${fulcio}/auth`)],
    ...['--rekor', at(rekor), '--rekor-config', 'ANY'],
    ...['--tsa', at(timestamps), '--tsa-config', 'ANY'],
  );
}

function bundleServices(): string[] {
  return ['--signing-config', 'signing_config.json'];
}

/** Endpoints as options, for versions of cosign without signing configurations. */
function classicServices(): string[] {
  const { fulcio, rekor, timestamps } = sigstore.addresses;
  return [
    ...['--new-bundle-format=false', '--use-signing-config=false', '--fulcio-url', fulcio],
    ...['--rekor-url', rekor, '--timestamp-server-url', timestamps],
  ];
}

/** Pushes the image to sign to a new repository. */
async function push(name: string): Promise<string> {
  const repository = `${registry.host}/vendor/${name}`;
  await pushLayout(signed.layout, signed.tag, `${repository}:1.0`);
  return repository;
}

async function sign(repository: string, ...how: readonly string[]): Promise<void> {
  await cosign('sign', '--allow-http-registry', '--yes', ...how, `${repository}@${signed.digest}`);
}

/** @returns the verdict on the image of a repository, or code and finding of the error */
async function verdict(repository: string, signature: object): Promise<SignatureVerdict | Refusal> {
  count += 1;
  const name = join(work, `manifest-${count}.yaml`);
  const manifest = {
    apiVersion: 'stowage/v1',
    name: 'chat',
    version: '1.0.0',
    platforms: ['linux/amd64'],
    images: [{ name: 'app', source: `${repository}:1.0`, signature }],
  };
  writeFileSync(name, JSON.stringify(manifest));
  const { status, json } = await stowage(
    { cwd: work, env: { STOWAGE_STORE: join(work, 'store') } },
    'lock',
    name,
  );
  if (status !== 0) return { code: json.error.code, found: json.error.found };
  const { images } = JSON.parse(readFileSync(json.lock, 'utf8')) as Lock;
  return images[0]?.signature ?? { code: 'no verdict', found: '' };
}

/** The refusal of a valid signature over the previous image. */
const ofAnotherImage = (): Refusal => ({ code: 'upstream-refused', found: signed.digest });

/** Moves the tag of an image to an altered one, with the signatures of the first attached to it. */
async function replaceImage(repository: string): Promise<void> {
  await pushLayout(altered.layout, altered.tag, `${repository}:1.0`);
  const [from, to] = [signed, altered].map(({ digest }) => digest.replace(':', '-'));
  const classic = await fetchManifest(repository, `${from}.sig`);
  if (classic !== undefined) await putManifest(repository, `${to}.sig`, MANIFEST, classic);
  const listed = await fetchManifest(repository, `${from}`);
  if (listed === undefined) return;
  const index = JSON.parse(listed) as { manifests: { digest: string; size: number }[] };
  for (const each of index.manifests) {
    const referrer = JSON.parse((await fetchManifest(repository, each.digest)) ?? '');
    const { size } = referrer.subject;
    const moved = JSON.stringify({
      ...referrer,
      subject: { mediaType: INDEX, digest: altered.digest, size },
    });
    each.digest = await putManifest(repository, 'moved', MANIFEST, moved);
    each.size = moved.length;
  }
  await putManifest(repository, `${to}`, INDEX, JSON.stringify(index));
}

function urlOf(repository: string, reference: string): string {
  const [host, ...path] = repository.split('/');
  return `http://${host}/v2/${path.join('/')}/manifests/${reference}`;
}

async function fetchManifest(repository: string, reference: string): Promise<string | undefined> {
  const accept = `${INDEX}, ${MANIFEST}`;
  const response = await fetch(urlOf(repository, reference), { headers: { accept } });
  return response.ok ? response.text() : undefined;
}

async function putManifest(
  repository: string,
  reference: string,
  type: string,
  body: string,
): Promise<string> {
  const headers = { 'content-type': type };
  const response = await fetch(urlOf(repository, reference), { method: 'PUT', headers, body });
  if (!response.ok) throw new Error(await response.text());
  return response.headers.get('docker-content-digest') ?? '';
}

describe.each([
  ['under the .sig tag', 'cosign', ['--new-bundle-format=false']],
  ['as a bundle among the referrers', 'sigstore-bundle', []],
] as const)('when cosign signs an image with a key, %s', (_, form, options) => {
  let repository: string;

  beforeAll(async () => {
    if (!available) return;
    repository = await push(form);
    await sign(repository, ...KEY, 'vendor.key', ...options);
  });

  it('is accepted with the public key', async () => {
    expect(await verdict(repository, { key: 'vendor.pub' })).toMatchObject({
      result: 'passed',
      form,
      log: 'none',
    });
  });

  it('is refused with another key, and recorded if it is not required', async () => {
    expect(await verdict(repository, { key: 'other.pub' })).toMatchObject({
      code: 'upstream-refused',
    });
    expect(await verdict(repository, { key: 'other.pub', required: false })).toMatchObject({
      result: 'failed',
    });
  });

  it('is refused if a keyless signature is required', async () => {
    const keyless = { trustedRoot: 'trusted_root.json', identity: mail, issuer };
    expect(await verdict(repository, keyless)).toMatchObject({ code: 'upstream-refused' });
  });

  it('is refused for an altered image, even if it is attached to that image', async () => {
    const replaced = await push(`${form}-replaced`);
    await sign(replaced, ...KEY, 'vendor.key', ...options);
    await pushLayout(altered.layout, altered.tag, `${replaced}:1.0`);
    expect(await verdict(replaced, { key: 'vendor.pub' })).toMatchObject({
      code: 'upstream-unsigned',
    });
    await replaceImage(replaced);
    expect(await verdict(replaced, { key: 'vendor.pub' })).toEqual(ofAnotherImage());
  });
});

describe.each([
  ['under the .sig tag', 'cosign', classicServices],
  ['as a bundle among the referrers', 'sigstore-bundle', bundleServices],
] as const)('when cosign signs an image without a key, %s', (_, form, services) => {
  const accepted = { trustedRoot: 'trusted_root.json', identity: mail, issuer };
  let repository: string;

  beforeAll(async () => {
    if (!available) return;
    repository = await push(`keyless-${form}`);
    const token = ['--identity-token', identityToken(mail, issuer)];
    await sign(repository, ...services(), '--trusted-root', 'trusted_root.json', ...token);
  });

  const cosignVerify = (given: typeof accepted): Promise<string> =>
    cosign(
      'verify',
      ...(form === 'cosign' ? ['--new-bundle-format=false'] : []),
      ...['--trusted-root', given.trustedRoot, '--certificate-identity', given.identity],
      ...['--certificate-oidc-issuer', given.issuer, '--allow-http-registry'],
      `${repository}@${signed.digest}`,
    );

  it('is accepted with the trusted root, the identity and the issuer, by cosign too', async () => {
    const found = await verdict(repository, accepted);
    expect(found).toMatchObject({
      result: 'passed',
      form,
      log: 'verified',
      signer: { identities: [mail], issuer },
      trusted: [{ path: 'trusted_root.json' }],
    });
    expect(await cosignVerify(accepted)).toContain(signed.digest);
  });

  it.each([
    ['another identity', { identity: 'someone@vendor.example' }],
    ['another issuer', { issuer: 'https://login.other.example' }],
    ['another trusted root', { trustedRoot: 'untrusted_root.json' }],
  ])('is refused with %s, by cosign too', async (_, change) => {
    const given = { ...accepted, ...change };
    expect(await verdict(repository, given)).toMatchObject({ code: 'upstream-refused' });
    await expect(cosignVerify(given)).rejects.toThrow('cosign');
  });

  it('is refused without the transparency log that recorded it', async () => {
    const name = 'without_log.json';
    const root = JSON.parse(readFileSync(join(work, 'trusted_root.json'), 'utf8'));
    const foreign = JSON.parse(readFileSync(join(work, 'untrusted_root.json'), 'utf8'));
    writeFileSync(join(work, name), JSON.stringify({ ...root, tlogs: foreign.tlogs }));
    expect(await verdict(repository, { ...accepted, trustedRoot: name })).toMatchObject({
      code: 'upstream-refused',
    });
  });

  it('is refused for an altered image, even if it is attached to that image', async () => {
    await replaceImage(repository);
    expect(await verdict(repository, accepted)).toEqual(ofAnotherImage());
  });
});

describe.each([
  ['under the .sig tag', 'cosign', classicServices],
  ['as a bundle among the referrers', 'sigstore-bundle', bundleServices],
] as const)('when cosign records a signature with a key in a log, %s', (_, form, services) => {
  let repository: string;

  beforeAll(async () => {
    if (!available) return;
    repository = await push(`logged-${form}`);
    await sign(repository, '--key', 'vendor.key', ...services());
  });

  it('is accepted with the key of the log, and reported as unverified without it', async () => {
    const found = await verdict(repository, { key: 'vendor.pub', log: 'rekor.pub' });
    expect(found).toMatchObject({ result: 'passed', form, log: 'verified' });
    expect(found).toHaveProperty('signedAt');
    expect(await verdict(repository, { key: 'vendor.pub' })).toMatchObject({
      result: 'passed',
      log: 'unchecked',
    });
  });

  it('is refused with the key of another log', async () => {
    expect(await verdict(repository, { key: 'vendor.pub', log: 'other.pub' })).toMatchObject({
      code: 'upstream-refused',
    });
  });
});
