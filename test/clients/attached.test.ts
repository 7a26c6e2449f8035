import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stowage } from '../e2e/cli.ts';
import { run } from '../lab/process.ts';
import { pushLayout, type Registry, startRegistry } from '../lab/registry.ts';
import { skopeo } from '../lab/skopeo.ts';
import { type LayoutImage, tinyImage } from '../lab/tiny-image.ts';
import { scratchFolder } from '../support/scratch.ts';
import { goTools } from './go-tools.ts';

// Publishers' tools attach artifacts to an image in a registry without the referrers API; the same tools then read them
// from the bundle.
const scratch = scratchFolder();
const work = scratch.fresh('work');
const bundle = join(work, 'chat-1.0.0');
const SBOM = 'application/vnd.example.sbom';
const SIGNED = 'application/vnd.dev.cosign.simplesigning.v1+json';
let registry: Registry;
let image: LayoutImage;
let tools: string;
let repository: string;

const sha256 = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const oras = (...args: readonly string[]): Promise<string> =>
  run(join(tools, 'oras'), args, { cwd: work });

interface Listed {
  readonly manifests: readonly { readonly digest: string; readonly artifactType: string }[] | null;
}

/** Every artifact that oras finds attached to a manifest. */
async function discover(...place: readonly string[]): Promise<string[]> {
  const { manifests } = JSON.parse(await oras('discover', '--format', 'json', ...place)) as Listed;
  return (manifests ?? []).map(({ digest, artifactType }) => `${artifactType} ${digest}`).sort();
}

beforeAll(async () => {
  tools = await goTools();
  mkdirSync(work);
  registry = await startRegistry(scratch.fresh('registry'));
  image = await tinyImage(scratch.fresh('image'));
  repository = `${registry.host}/team/app`;
  await pushLayout(image.layout, image.tag, `${repository}:1.0`);
  writeFileSync(join(work, 'sbom.json'), '{"of":"the index"}');
  writeFileSync(join(work, 'amd64.json'), '{"of":"one platform"}');
  writeFileSync(join(work, 'signed.json'), `{"critical":{"image":"${image.digest}"}}`);
  const attach = ['attach', '--plain-http', '--artifact-type', SBOM];
  await oras(...attach, `${repository}:1.0`, 'sbom.json:application/json');
  await oras(...attach, `${repository}@${image.imageDigest}`, 'amd64.json:application/json');
  const tag = `${image.digest.replace(':', '-')}.sig`;
  await oras('push', '--plain-http', `${repository}:${tag}`, `signed.json:${SIGNED}`);
  const manifest = {
    apiVersion: 'stowage/v1',
    name: 'chat',
    version: '1.0.0',
    platforms: ['linux/amd64', 'linux/arm64'],
    images: [{ name: 'app', source: `${repository}:1.0` }],
  };
  writeFileSync(join(work, 'stowage.yaml'), JSON.stringify(manifest));
  const env = { STOWAGE_STORE: join(work, 'store') };
  for (const args of [['lock'], ['pack', '--no-installer']]) {
    const { status, stderr } = await stowage({ cwd: work, env }, ...args);
    if (status !== 0) throw new Error(stderr);
  }
});

afterAll(async () => {
  await registry?.stop();
});

describe('when a bundle contains attached artifacts of an image', () => {
  it('oras finds the same artifacts in the bundle as in the registry', async () => {
    const before = await discover('--plain-http', `${repository}:1.0`);
    expect(before).toHaveLength(1);
    expect(await discover('--oci-layout', `${bundle}:app`)).toEqual(before);
  });

  it('oras pulls the files of each from the bundle', async () => {
    for (const [subject, file] of [
      [image.digest, 'sbom.json'],
      [image.imageDigest, 'amd64.json'],
    ] as const) {
      const [found = ''] = await discover('--plain-http', `${repository}@${subject}`);
      const place = scratch.fresh('pulled');
      await oras('pull', '--oci-layout', `${bundle}@${found.split(' ')[1]}`, '--output', place);
      expect(readFileSync(join(place, file))).toEqual(readFileSync(join(work, file)));
    }
  });

  it("skopeo copies cosign's tag from the bundle with the same digests", async () => {
    const tag = `${image.digest.replace(':', '-')}.sig`;
    const raw = ['inspect', '--raw', '--tls-verify=false', `docker://${repository}:${tag}`];
    const before = await skopeo(raw);
    const place = scratch.fresh('copied');
    const copy = ['copy', '--preserve-digests'];
    await skopeo([...copy, `oci:${bundle}:${tag}`, `dir:${place}`]);
    expect(readFileSync(join(place, 'manifest.json'), 'utf8')).toBe(before);
    const blobs = readdirSync(place).filter((each) => /^[0-9a-f]{64}$/.test(each));
    expect(blobs).toContain(sha256(readFileSync(join(work, 'signed.json'))).slice(7));
    for (const each of blobs)
      expect(sha256(readFileSync(join(place, each)))).toBe(`sha256:${each}`);
  });

  it('oras copies the image and its artifacts to another registry', async () => {
    const to = `${registry.host}/site/app`;
    const copy = ['copy', '--recursive', '--from-oci-layout', '--to-plain-http'];
    await oras(...copy, `${bundle}:app`, `${to}:1.0`);
    for (const subject of [image.digest, image.imageDigest]) {
      expect(await discover('--plain-http', `${to}@${subject}`)).toEqual(
        await discover('--plain-http', `${repository}@${subject}`),
      );
    }
  });
});
