import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';
import { lean } from './lean.ts';

const ASSETS: Readonly<Record<string, string>> = {
  'hash-worker.js': 'src/io/hash-worker.ts',
  'client-library.js': 'src/target/kubernetes/api/client-library.ts',
};

/** Leaves the client library of Kubernetes out of what starts: it is an asset. */
const clientApart: Plugin = {
  name: 'client-apart',
  setup({ onResolve }) {
    onResolve({ filter: /\/client-library\.ts$/ }, ({ path, kind }) =>
      kind === 'dynamic-import' ? { path, external: true } : undefined,
    );
  },
};

/** The code of an executable: what starts, and by their names in it what worker threads run and what only a site with a cluster loads. */
export interface Code {
  readonly main: string;
  readonly assets: Readonly<Record<string, string>>;
  /** Every file that code of one of them is from, below the project. */
  readonly inputs: readonly string[];
}

/**
 * Bundles the disconnected side into one CommonJS file, as a single executable wants it.
 * @throws Error when anything of the connected side got in
 */
export function installerCode(root: string): Promise<Code> {
  return codeOf('src/cli/installer.ts', ASSETS, async (entry) => {
    const found = await bundle(root, entry);
    if (found.strays.length > 0)
      throw new Error(`the installer would hold the connected side: ${found.strays.join(', ')}`);
    return found;
  });
}

/** Bundles the whole program in the same way. */
export function toolkitCode(root: string): Promise<Code> {
  const assets = { ...ASSETS, 'reading-worker.js': 'src/fleet/reading/reading-worker.ts' };
  return codeOf('src/cli/toolkit.ts', assets, (entry) => bundle(root, entry));
}

async function codeOf(
  entry: string,
  parts: Readonly<Record<string, string>>,
  read: (entry: string) => Promise<Bundled>,
): Promise<Code> {
  const main = await read(entry);
  const assets: Record<string, string> = {};
  const inputs = new Set(main.inputs);
  for (const [name, part] of Object.entries(parts)) {
    const { text, inputs: further } = await read(part);
    assets[name] = text;
    for (const each of further) inputs.add(each);
  }
  return { main: main.text, assets, inputs: [...inputs].toSorted() };
}

interface Bundled {
  readonly text: string;
  readonly inputs: string[];
  /** What is of the connected side. */
  readonly strays: readonly string[];
}

async function bundle(root: string, entry: string): Promise<Bundled> {
  const { outputFiles, metafile } = await build({ ...options(root), entryPoints: [entry] });
  const written = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs));
  const inputs = written.filter(([, each]) => each.bytesInOutput > 0).map(([path]) => path);
  return { text: outputFiles[0]?.text ?? '', inputs, strays: connectedInputs(metafile) };
}

/** Files of the connected side, and packages that only it uses, in what esbuild bundled. */
export function connectedInputs(metafile: Metafile): string[] {
  return Object.keys(metafile.inputs).filter((path) =>
    /^src\/(?:source|build)\/|(?:^|\/)node_modules\/(?:@huggingface|@sigstore|picomatch)\//.test(
      path,
    ),
  );
}

function options(root: string): BuildOptions & { readonly write: false; readonly metafile: true } {
  return {
    absWorkingDir: root,
    bundle: true,
    write: false,
    metafile: true,
    format: 'cjs',
    platform: 'node',
    target: 'node24',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'warning',
    plugins: [lean, clientApart],
    // A single executable has no file of its own to be beside of; io/start-worker does not ask there.
    define: { 'import.meta.url': '""' },
  };
}
