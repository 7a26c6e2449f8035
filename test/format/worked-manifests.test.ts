import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/digest.ts';
import type { Bundle } from '../../src/format/bundle.ts';
import type { RenderedService } from '../../src/format/containers.ts';
import { type Manifest, manifestKind } from '../../src/format/manifest.ts';
import { serverProfiles } from '../../src/format/server-kind.ts';
import { siteKind } from '../../src/format/site.ts';
import { readYaml } from '../../src/format/yaml-document.ts';
import { renderRelease } from '../../src/site/planning/render.ts';
import { containersOf } from '../../src/target/container/workload.ts';
import { dockerCreateArguments } from '../../src/target/docker/docker-containers.ts';
import { podmanRunArguments } from '../../src/target/podman/podman-arguments.ts';
import { fakeTarget } from '../support/fake-engine.ts';

const folder = fileURLToPath(new URL('../../manifests/', import.meta.url));
const SITE = 'site.example.yaml';
const names = readdirSync(folder).filter((name) => /(?<!\.example)\.yaml$/.test(name));
const site = readYaml(siteKind, readFileSync(`${folder}${SITE}`));

function load(name: string): Manifest {
  return readYaml(manifestKind, readFileSync(`${folder}${name}`));
}

const digest = digestOf(Buffer.from('anything'));

/** A bundle as packing would make it, with invented digests. */
function bundleOf(manifest: Manifest): Bundle {
  const { models, images, files, charts: _, objects: __, apiVersion: ___, ...rest } = manifest;
  return {
    ...rest,
    schema: 'stowage/bundle/v1',
    seq: 1,
    resolvedAt: '2026-11-21T10:00:00Z',
    partSize: 0,
    models: models.map(({ name, source }) => ({
      name,
      source,
      repository: source.replace(/^hf:\/\/|@.*$/g, ''),
      commit: 'c'.repeat(40),
      manifest: digest,
      files: [{ path: 'config.json', size: 8, digest }],
    })),
    images: images.map(({ name, source }) => ({
      name,
      source,
      repository: source,
      target: { digest, size: 8, mediaType: 'application/vnd.oci.image.index.v1+json' },
      platforms: [{ platform: 'linux/amd64', manifest: digest, config: digest }],
    })),
    files: files.map(({ name, source }) => ({
      name,
      source,
      kind: 'file',
      path: source.split('/').at(-1) ?? '',
      manifest: digest,
      digest,
      size: 8,
    })),
    blobs: [],
    control: [],
  };
}

function render(manifest: Manifest): readonly RenderedService[] {
  const place = {
    ...{ settings: site, siteId: '0a1b2c3d', target: fakeTarget() },
    files: '/site/layout',
    platform: 'linux/amd64',
    templates: new Map(),
    ownSecrets: [],
    secretNames: new Map(
      Object.keys(manifest.secrets).map((name) => [
        name,
        `stowage-${manifest.name}-${name}-0123456789ab`,
      ]),
    ),
  };
  return containersOf(renderRelease({ id: 'f'.repeat(128), bundle: bundleOf(manifest) }, place))
    .services;
}

function commands(manifest: Manifest): string[][] {
  return render(manifest).map((service) =>
    podmanRunArguments(service, { supervisor: 'podman', selinux: false }),
  );
}

/** The values that follow each occurrence of an option. */
function valuesOf(args: readonly string[], option: string): string[] {
  return args.flatMap((each, index) => (each === option ? [args[index + 1] ?? ''] : []));
}

/** What the container is given: everything after the image. */
function given(args: readonly string[]): string[] {
  return args.slice(args.indexOf(digest.slice('sha256:'.length)) + 1);
}

const memory = 'rw,exec,nosuid,nodev,mode=1777,U';

describe.each(names)('when %s is used', (name) => {
  it('is valid, and renders to a complete podman command for each service', () => {
    const manifest = load(name);
    expect(manifest.services).not.toHaveLength(0);
    for (const args of commands(manifest)) {
      expect(args[0]).toBe('run');
      expect(args.join(' ')).not.toContain('${');
    }
  });

  // The objects for a cluster are in test/target/kubernetes/golden/, and test/e2e/kubernetes.test.ts asks an API server.
  it('renders to a complete docker command for each service', () => {
    const options = {
      ...{ image: digest, selinux: false, gpus: 'cdi' as const, volumes: [], imageUser: '' },
      secretFolder: '/site/secrets',
    };
    for (const service of render(load(name))) {
      const args = dockerCreateArguments(service, options);
      expect(args[0]).toBe('create');
      expect(args.join(' ')).not.toContain('${');
      expect(args.slice(args.indexOf(digest) + 1)).toEqual(service.args);
    }
  });

  it('pins its content, lists the accepted licenses, and has an acceptance prompt', () => {
    const { models, images, acceptance } = load(name);
    for (const image of images) expect(image.source).not.toMatch(/:latest$|\/[^:@]*$/);
    for (const model of models) expect(model.licenses).toBeDefined();
    expect(acceptance).not.toHaveLength(0);
  });

  it('has a server that listens on the port of its health check, and names the expected model', () => {
    const manifest = load(name);
    for (const service of render(manifest)) {
      const port = service.ports.find((each) => each.name === service.health?.port);
      const settings = [...service.args, ...Object.values(service.env)];
      expect(settings).toContain(String(port?.container));
      expect(settings).toContain(service.health?.model);
      for (const each of manifest.acceptance) expect(each.model).toBe(service.health?.model);
    }
  });

  it('points its server only at folders that are mounted', () => {
    for (const service of render(load(name))) {
      const mounted = service.mounts.map((mount) => mount.path);
      const settings = [...service.args, ...Object.values(service.env)];
      for (const path of settings.filter((each) => /^\/(models|cache|vocabulary|opt)/.test(each))) {
        const found = mounted.some(
          (each) => path === each || path.startsWith(`${each}/`) || each.startsWith(`${path}/`),
        );
        expect(found, path).toBe(true);
      }
    }
  });
});

describe('when Nemotron runs on vLLM', () => {
  const [args = []] = commands(load('nemotron-vllm.yaml'));

  it('gives the server a GPU, shared memory and a cache in memory, on a read-only root', () => {
    expect(valuesOf(args, '--device')).toEqual(['nvidia.com/gpu=0']);
    expect(valuesOf(args, '--shm-size')).toEqual([`${8 * 2 ** 30}b`]);
    expect(valuesOf(args, '--tmpfs')).toContain(`/cache:${memory},size=${8 * 2 ** 30}`);
    expect(args).toContain('--read-only');
  });

  it('serves the mounted folder, with the values of the site', () => {
    expect(valuesOf(args, '--volume')).toEqual([
      '/site/layout/models/nemotron:/models/nemotron:ro',
    ]);
    expect(valuesOf(args, '--publish')).toEqual(['127.0.0.1:8001:8000']);
    expect(args[args.indexOf('serve') + 1]).toBe('/models/nemotron');
    expect(valuesOf(given(args), '--max-model-len')).toEqual(['65536']);
  });

  it('prevents telemetry', () => {
    const env = valuesOf(args, '--env');
    expect(env).toEqual(
      expect.arrayContaining(['HF_HUB_OFFLINE=1', 'VLLM_NO_USAGE_STATS=1', 'DO_NOT_TRACK=1']),
    );
  });
});

describe('when gpt-oss runs on llama.cpp', () => {
  const [args = []] = commands(load('gpt-oss-llamacpp.yaml'));

  it('mounts each vocabulary as a file, in the folder of the variable', () => {
    expect(valuesOf(args, '--volume').slice(1)).toEqual(
      ['o200k', 'cl100k'].map(
        (each) =>
          `/site/layout/files/vocabulary-${each}/${each}_base.tiktoken:/vocabulary/${each}_base.tiktoken:ro`,
      ),
    );
    expect(valuesOf(args, '--env')).toContain('TIKTOKEN_ENCODINGS_BASE=/vocabulary');
  });

  it('serves a file that the manifest includes from the repository', () => {
    const [path = ''] = valuesOf(given(args), '--model');
    const [model] = load('gpt-oss-llamacpp.yaml').models;
    expect(model?.include).toContain(path.split('/').at(-1));
  });
});

describe('when a NIM serves a local model', () => {
  const [service] = render(load('nim-local-model.yaml'));
  const [args = []] = commands(load('nim-local-model.yaml'));

  it('names a path, forbids downloads and contains no key', () => {
    const env = valuesOf(args, '--env');
    expect(env).toContain('NIM_MODEL_PATH=/models/qwen');
    expect(env).toContain('NIM_DISABLE_MODEL_DOWNLOAD=1');
    expect(env).toContain('NIM_TELEMETRY_MODE=0');
    expect(env.filter((each) => /^(NGC_API_KEY|HF_TOKEN)=/.test(each))).toEqual([]);
  });

  it('waits for the path that answers once inference is possible', () => {
    expect(service?.health?.server).toBe('nim');
    expect(serverProfiles.nim.readyPath).toBe('/v1/health/ready');
  });
});

describe('when a site enables the commented parts of its example', () => {
  it('is valid, too', () => {
    const text = readFileSync(`${folder}${SITE}`, 'utf8');
    const on = text.replace(/^# ([a-z][A-Za-z]*:| {2})/gm, '$1');
    const given = readYaml(siteKind, Buffer.from(on));
    expect(given).toMatchObject({ requireApproval: true, requirePlanApproval: true });
    for (const each of [given.windows, given.suppressions, Object.keys(given.secrets)])
      expect(each).toHaveLength(1);
  });
});
