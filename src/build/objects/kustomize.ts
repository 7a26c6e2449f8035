import { randomUUID } from 'node:crypto';
import { lstat, realpath, rm } from 'node:fs/promises';
import { dirname, join, relative, resolve as resolvePath } from 'node:path';
import { messageOf, StowageError } from '../../core/error.ts';
import { type Fields, fieldsOf, listOf, textOf, textsOf } from '../../core/json.ts';
import { MIB } from '../../core/limits.ts';
import { cutTo, printable, quoted } from '../../core/text.ts';
import { readYamlObject, type StreamedObject } from '../../format/object-stream.ts';
import { runConfined } from '../../io/confined-program.ts';
import { readBounded, readIfThere, writeNew } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { localTree } from '../../source/local.ts';
import { RENDER_LIMITS, type RenderPlace, streamed } from './render-chart.ts';

const NAMES = ['kustomization.yaml', 'kustomization.yml', 'Kustomization'] as const;
/** Fields whose entries can be folders with a kustomization of their own. */
const BASES = [
  ...['resources', 'bases', 'components', 'generators', 'transformers', 'validators'],
] as const;
const MAX_FOLDERS = 200;
const MAX_BYTES: number = 64 * MIB;
const MAX_FILES = 10_000;

/** The file that makes a folder a kustomization; undefined for another folder. */
export async function kustomizationIn(folder: string): Promise<string | undefined> {
  for (const name of NAMES) if (await isFile(join(folder, name))) return name;
  return undefined;
}

/**
 * The absolute paths of all files that a kustomization may read: those of its folder and of the folders that it names.
 * @param root the folder that all of them must be in
 * @throws StowageError `chart-unsupported` for remote bases, charts and folders elsewhere; as {@link localTree}
 */
export async function kustomizationFiles(
  folder: string,
  root: string,
  what: string,
): Promise<string[]> {
  const folders = new Set<string>();
  const visit = async (each: string): Promise<void> => {
    if (folders.has(each)) return;
    folders.add(each);
    if (folders.size > MAX_FOLDERS)
      throw unsupported(what, `at most ${MAX_FOLDERS} folders`, 'more', 'use fewer bases');
    const name = await kustomizationIn(each);
    if (name === undefined) return;
    const document = await readKustomization(join(each, name), what);
    if (
      document['helmCharts'] !== undefined ||
      document['helmChartInflationGenerator'] !== undefined
    )
      throw unsupported(
        what,
        'plain objects',
        `helmCharts in ${relative(root, join(each, name))}`,
        'add the chart under "charts" of the manifest',
      );
    const refused = (expected: string, entry: string, hint: string): StowageError => {
      const found = `${quoted(cutTo(entry, 200))} in ${relative(root, join(each, name))}`;
      return unsupported(what, expected, found, hint);
    };
    const remote = pathsIn(document).find(isRemote);
    if (remote !== undefined)
      throw refused(LOCAL, remote, 'download remote bases and files, and name their paths');
    for (const field of BASES)
      for (const entry of textsOf(document[field]).filter((text) => !isInline(text))) {
        const path = resolvePath(each, entry);
        const status = await lstat(path).catch(() => undefined);
        if (status === undefined)
          throw refused(LOCAL, entry, 'download remote bases, and name their folder');
        const real = relative(await realpath(root), await realpath(path));
        if ([relative(root, path), real].some((below) => below.startsWith('..')))
          throw refused(
            'files below the folder of the manifest',
            entry,
            'copy the base into the folder of the manifest',
          );
        if (status.isDirectory()) await visit(path);
      }
  };
  await visit(folder);
  const files = new Set<string>();
  for (const each of folders) for (const { absolute } of await localTree(each)) files.add(absolute);
  if (files.size > MAX_FILES)
    throw unsupported(what, `at most ${MAX_FILES} files`, `${files.size}`, 'use smaller folders');
  return [...files].toSorted();
}

const LOCAL = 'files and folders of this machine';

/** Every text of a kustomization that is the path of a file or folder, or what kustomize downloads instead. */
function pathsIn(document: Fields): string[] {
  const members = ['patches', 'patchesJson6902', 'replacements'];
  const generators = ['configMapGenerator', 'secretGenerator'];
  const lists = [...BASES, 'crds', 'configurations', 'patchesStrategicMerge'];
  const { path } = fieldsOf(document['openapi']);
  return [
    ...lists.flatMap((field) => textsOf(document[field])),
    ...members.flatMap((field) => listOf(document[field]).map((each) => each['path'])),
    ...generators.flatMap((field) =>
      listOf(document[field]).flatMap(({ files, envs, env }) => [
        ...textsOf(files).map((each) => each.replace(/^[^=]*=/, '')),
        ...textsOf(envs),
        env,
      ]),
    ),
    path,
  ].flatMap((each) => (typeof each === 'string' && !isInline(each) ? [each] : []));
}

/** Whether an entry is the content of a file, and not its path. */
function isInline(text: string): boolean {
  return text.includes('\n');
}

/** Whether kustomize would download a path: an address, or a repository of git in one of its forms. */
function isRemote(path: string): boolean {
  return /:|[?]|\.git(?:\/|$)|^github\.com\//i.test(path);
}

/**
 * Renders a kustomization with the real `kubectl kustomize`, on a copy of its files.
 * @throws StowageError `chart-failed` with its own message, `source-unsupported` without kubectl
 */
export async function kustomize(
  { folder, root, files }: { folder: string; root: string; files: readonly string[] },
  what: string,
  place: RenderPlace,
): Promise<StreamedObject[]> {
  const work = join(place.folder, `kustomize-${randomUUID()}`);
  await makeFolder(work, 0o700);
  try {
    let total = 0;
    for (const file of files) {
      const bytes = await readBounded(file, MAX_BYTES, 'content-refused');
      total += bytes.length;
      if (total > MAX_BYTES)
        throw unsupported(what, `at most ${MAX_BYTES} bytes`, 'more', 'use smaller folders');
      const copy = join(work, relative(root, file));
      await makeFolder(dirname(copy), 0o700);
      await writeNew(copy, bytes, 0o600);
    }
    const target = `./${relative(root, folder)}`;
    const { status, output, said } = await runConfined('kubectl', ['kustomize', target], {
      ...{ ...place, ...RENDER_LIMITS, folder: work },
    });
    if (status === 0) return streamed(what, output);
    throw new StowageError('chart-failed', `${what} cannot be rendered`, {
      expected: 'objects of the Kubernetes API',
      found: printable(cutTo(said.trim().replaceAll(`${work}/`, ''), 2000)),
      hint: 'correct the kustomization, or try it with kubectl kustomize',
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The version of the kubectl in `PATH`, such as `v1.36.2`. @throws StowageError `source-unsupported` */
export async function kubectlVersion(place: RenderPlace): Promise<string> {
  const args = ['version', '--client', '--output', 'json'];
  const { status, output } = await runConfined('kubectl', args, { ...place, ...RENDER_LIMITS });
  const [, minor = 0] = /"gitVersion": "v1\.([0-9]+)\./.exec(output) ?? [];
  const version = /"gitVersion": "(v[0-9A-Za-z.+-]+)"/.exec(output)?.[1];
  if (status === 0 && version !== undefined && Number(minor) >= 27) return version;
  throw new StowageError('source-unsupported', 'this version of kubectl is not supported', {
    expected: 'kubectl 1.27 or later',
    found: version ?? 'no version',
    hint: 'install a current version of kubectl on this machine',
  });
}

async function readKustomization(
  path: string,
  what: string,
): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await readIfThere(path, MIB);
  try {
    return fieldsOf(readYamlObject(bytes?.toString('utf8') ?? ''));
  } catch (cause) {
    throw new StowageError('chart-failed', `${what} cannot be rendered`, {
      expected: 'a kustomization in YAML',
      found: `${path}: ${textOf(messageOf(cause), 500) ?? ''}`,
      hint: 'correct the kustomization',
      cause,
    });
  }
}

async function isFile(path: string): Promise<boolean> {
  return lstat(path).then(
    (status) => status.isFile(),
    () => false,
  );
}

function unsupported(what: string, expected: string, found: string, hint: string): StowageError {
  const message = `${what} needs more than the files of its folder`;
  return new StowageError('chart-unsupported', message, { expected, found, hint });
}
