import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { provenance } from '../../src/build/bundle-documents.ts';
import { sbom } from '../../src/build/sbom/sbom.ts';
import { describeFile } from '../../src/content/file.ts';
import { describeModel, modelPackType, weightFormat } from '../../src/content/model-pack.ts';
import { digestHex, digestOf, parseDigest } from '../../src/core/digest.ts';
import { canonicalJson, type Json, parseCanonical } from '../../src/core/json.ts';
import type { LockedFile, LockedModel } from '../../src/format/locked-content.ts';
import { verifyText } from '../../src/format/verify-text.ts';
import { sampleOf } from './samples.ts';

const { lock } = sampleOf(100);
const [model] = lock.models as [LockedModel];
const [tree, note] = lock.files as [LockedFile, LockedFile];

interface OciManifest {
  readonly artifactType: string;
  readonly config: { readonly digest: string; readonly size: number; readonly mediaType: string };
  readonly layers: readonly {
    readonly digest: string;
    readonly mediaType: string;
    readonly annotations: Readonly<Record<string, string>>;
  }[];
}

/** What `schema/config-schema.json` of modelpack/model-spec allows; it lists every property and permits no other. */
const MODEL_PACK_CONFIG = {
  descriptor: [
    ...['createdAt', 'authors', 'family', 'name', 'docURL', 'sourceURL', 'datasetsURL', 'version'],
    ...['revision', 'vendor', 'licenses', 'title', 'description'],
  ],
  config: ['architecture', 'format', 'paramSize', 'precision', 'quantization', 'capabilities'],
  modelfs: ['type', 'diffIds'],
} as const;

type ModelPackConfig = Readonly<Record<keyof typeof MODEL_PACK_CONFIG, object>>;

function manifestOf(described: ReturnType<typeof describeModel>): OciManifest {
  const bytes = described.documents.get(described.manifest.digest);
  return parseCanonical(bytes ?? Buffer.alloc(0)) as unknown as OciManifest;
}

describe('when a model is described', () => {
  const described = describeModel(model);
  const manifest = manifestOf(described);

  it('is a ModelPack manifest whose layers are the files themselves', () => {
    expect(manifest.artifactType).toBe('application/vnd.cncf.model.manifest.v1+json');
    expect(manifest.config.mediaType).toBe('application/vnd.cncf.model.config.v1+json');
    expect(manifest.layers.map(({ digest }) => digest)).toEqual(
      model.files.map(({ digest }) => digest),
    );
    expect(
      manifest.layers.map(({ annotations }) => annotations['org.cncf.model.filepath']),
    ).toEqual(['README.md', 'empty.txt', 'model.safetensors']);
  });

  it.each([
    ['with a license and weights', model],
    ['without them', { ...model, license: undefined, files: model.files.slice(0, 1) }],
  ])('has a config that the ModelPack schema accepts, %s', (_, each) => {
    const { license, ...rest } = each;
    const written = describeModel({ ...rest, ...(license === undefined ? {} : { license }) });
    const { config, layers } = manifestOf(written);
    const bytes = written.documents.get(parseDigest(config.digest)) ?? Buffer.alloc(0);
    const document = parseCanonical(bytes) as unknown as ModelPackConfig;
    expect(Object.keys(document).toSorted()).toEqual(Object.keys(MODEL_PACK_CONFIG).toSorted());
    for (const [part, allowed] of Object.entries(MODEL_PACK_CONFIG))
      expect(allowed).toEqual(
        expect.arrayContaining(Object.keys(document[part as keyof ModelPackConfig])),
      );
    expect(document.descriptor).toMatchObject({ name: expect.stringMatching(/./) });
    // kit refuses a config with another number of them.
    expect(document.modelfs).toEqual({
      type: 'layers',
      diffIds: layers.map(({ digest }) => digest),
    });
  });

  it('returns its documents by digest', () => {
    for (const [digest, bytes] of described.documents) expect(digestOf(bytes)).toBe(digest);
    expect([...described.documents.keys()]).toEqual([
      described.manifest.digest,
      manifest.config.digest,
    ]);
  });

  // A change of these values changes the id of every bundle.
  it('has the same digests as in earlier versions', () => {
    expect(digestHex(described.manifest.digest)).toMatchInlineSnapshot(
      `"109d221e3456df866e292eb3579e10011510a108d84b21e2ca4eef5ffd00c06e"`,
    );
    expect(digestHex(describeFile(tree).manifest.digest)).toMatchInlineSnapshot(
      `"28b433cf915c3f199a6ff243075bdac8412c327ef6a2669d5c7cc0e0b382cff4"`,
    );
    expect(digestHex(describeFile(note).manifest.digest)).toMatchInlineSnapshot(
      `"1c46e9835aea0788ec812087589f0b1302946bbc72a8680574475846e1c05d4b"`,
    );
  });

  it.each([
    [['a/b', 'a_b']],
    [['a_b', 'a/b']],
    [['a/b', 'a_b', '_a_b', '__a_b']],
    [['a/b/c', 'a_b/c', 'a/b_c', 'a_b_c']],
  ])('gives %j flat, unique titles', (names) => {
    const files = names.map((path) => ({ path, size: 1, digest: digestOf(Buffer.from(path)) }));
    const { layers } = manifestOf(describeModel({ ...model, files }));
    const titles = layers.map(
      ({ annotations }) => annotations['org.opencontainers.image.title'] ?? '',
    );
    expect(new Set(titles).size).toBe(names.length);
    expect(titles.join('')).not.toContain('/');
    expect(layers.map(({ annotations }) => annotations['org.cncf.model.filepath'])).toEqual(names);
  });

  it.each([
    ['model.safetensors', 'weight'],
    ['tiny.gguf', 'weight'],
    ['LICENSE.safetensors', 'doc'],
    ['config.json', 'weight.config'],
    ['tokenizer.model', 'weight.config'],
    ['README.md', 'doc'],
    ['a/LICENSE', 'doc'],
    ['.gitattributes', 'doc'],
    ['modeling.py', 'code'],
    ['chat_template.jinja', 'code'],
    ['unknown', 'weight'],
  ])('calls %s %s', (path, kind) => {
    expect(modelPackType(path)).toBe(`application/vnd.cncf.model.${kind}.v1.raw`);
  });

  it('derives the format from the largest file', () => {
    const file = (path: string, size: number): LockedModel['files'][number] => ({
      path,
      size,
      digest: digestOf(Buffer.from(path)),
    });
    expect(weightFormat([file('a.gguf', 1), file('b.safetensors', 2)])).toBe('safetensors');
    expect(weightFormat([file('a.bin', 2), file('b.gguf', 1)])).toBeUndefined();
    expect(weightFormat([])).toBeUndefined();
  });

  it('gives a tree the title of its tar, and a file its name', () => {
    const title = (file: LockedFile): unknown =>
      manifestOf(describeFile(file)).layers[0]?.annotations['org.opencontainers.image.title'];
    expect([title(tree), title(note)]).toEqual(['settings.tar', 'note.txt']);
  });
});

describe('when the SBOM is written', () => {
  const bill = sbom(lock) as unknown as {
    readonly bomFormat: string;
    readonly specVersion: string;
    readonly serialNumber: string;
    readonly components: readonly Component[];
  };
  interface Component {
    readonly type: string;
    readonly 'bom-ref': string;
    readonly hashes?: readonly { alg: string; content: string }[];
    readonly components?: readonly Component[];
  }
  const all = (list: readonly Component[]): Component[] =>
    list.flatMap((each) => [each, ...all(each.components ?? [])]);

  it('is CycloneDX 1.6 with a component for each item of content', () => {
    expect(bill).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6', version: 1 });
    expect(bill.serialNumber).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(bill.components.map(({ type }) => type)).toEqual([
      'machine-learning-model',
      'container',
      'file',
      'file',
    ]);
  });

  it('gives every file its SHA-256, and every component a unique reference', () => {
    const components = all(bill.components);
    expect(new Set(components.map((each) => each['bom-ref'])).size).toBe(components.length);
    for (const { type, hashes } of components) {
      if (type === 'machine-learning-model') continue;
      expect(hashes).toEqual([
        { alg: 'SHA-256', content: expect.stringMatching(/^[0-9a-f]{64}$/) },
      ]);
    }
    const digests = new Set(
      components.flatMap(({ hashes }) => hashes?.map(({ content }) => content)),
    );
    for (const { digest } of model.files) expect(digests).toContain(digestHex(digest));
  });

  it('is reproducible for a lock, and has a different serial number for another lock', () => {
    expect(canonicalJson(sbom(structuredClone(lock)))).toBe(canonicalJson(sbom(lock)));
    const other = sbom({ ...lock, seq: lock.seq + 1 }) as { serialNumber: string };
    expect(other.serialNumber).not.toBe(bill.serialNumber);
  });

  it('omits an absent license and an absent description', () => {
    const { license: _, ...unlicensed } = model;
    const plain = {
      ...lock,
      models: [unlicensed],
      manifest: { ...lock.manifest, description: '' },
    };
    expect(canonicalJson(sbom(plain))).not.toMatch(/licenses|"description"/);
  });
});

describe('when provenance is written', () => {
  const statement = provenance(lock) as unknown as {
    readonly subject: readonly { name: string; digest: { sha256: string } }[];
    readonly predicate: {
      readonly buildDefinition: {
        readonly resolvedDependencies: readonly { uri: string; digest: object }[];
      };
      readonly runDetails: { readonly metadata: { readonly startedOn: string } };
    };
  };

  it('is an in-toto statement with SLSA provenance, whose times come from the lock', () => {
    expect(statement).toMatchObject({
      _type: 'https://in-toto.io/Statement/v1',
      predicateType: 'https://slsa.dev/provenance/v1',
    });
    expect(statement.predicate.runDetails.metadata.startedOn).toBe(lock.resolvedAt);
  });

  it('names all content, each item once, with its source', () => {
    expect(statement.subject.map(({ name }) => name)).toEqual([
      'image:server',
      'model:tiny/README.md',
      'model:tiny/empty.txt',
      'model:tiny/model.safetensors',
      'files:settings',
      'files:note',
    ]);
    for (const { digest } of statement.subject) expect(digest.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(statement.predicate.buildDefinition.resolvedDependencies.map(({ uri }) => uri)).toEqual([
      'https://hub.example/demo/tiny',
      'oci://registry.example/demo/server',
      './settings',
      './note.txt',
    ]);
  });

  it('is a value that canonical JSON can carry', () => {
    expect(JSON.parse(canonicalJson(provenance(lock) as Json))).toEqual(statement);
  });
});

describe('when VERIFY.txt is written', () => {
  const text = verifyText(lock.manifest);
  const commands = text.split('\n').filter((line) => line.startsWith('    '));

  it('is ASCII, in lines that end with LF', () => {
    expect(text).toMatch(/^[\n\x20-\x7e]*$/);
    expect(text.endsWith('\n')).toBe(true);
    expect(text).toContain('chat 1.4.0');
  });

  it('has at most 80 columns, except for commands', () => {
    const wide = text.split('\n').filter((line) => line.length > 80);
    expect(wide.length).toBeGreaterThan(3);
    for (const line of wide) expect(line).toMatch(/^ +(?:!|\[|bad=0;|LC_ALL=C) /);
  });

  it.each(commands)('has a command that bash parses: %s', (command) => {
    const { status, stderr } = spawnSync('bash', ['-n'], { input: command, encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  it('checks signatures, the list, the files, and for files that are not on the list', () => {
    expect(commands.length).toBeGreaterThanOrEqual(8);
    for (const word of [
      'openssl x509',
      'openssl cms -verify',
      'sha512sum --check --strict',
      'find .',
    ])
      expect(commands.join('\n')).toContain(word);
  });
});
