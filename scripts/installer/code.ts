import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';
import { lean } from './lean.ts';

const CLIENT = 'src/target/kubernetes/api/client-library.ts';

/** Leaves the client library of Kubernetes out of what starts: it is an asset. */
const clientApart: Plugin = {
  name: 'client-apart',
  setup({ onResolve }) {
    onResolve({ filter: /\/client-library\.ts$/ }, ({ path, kind }) =>
      kind === 'dynamic-import' ? { path, external: true } : undefined,
    );
  },
};

/** The code of the installer: what starts, what its worker threads run, and what only a site with a cluster loads. */
export interface Code {
  readonly main: string;
  readonly worker: string;
  readonly client: string;
  /** Every file that code of one of them is from, below the project. */
  readonly inputs: readonly string[];
}

/**
 * Bundles the disconnected side into one CommonJS file, as a single executable wants it.
 * @throws Error when anything of the connected side got in
 */
export function installerCode(root: string): Promise<Code> {
  return codeOf('src/cli/installer.ts', async (entry) => {
    const found = await bundle(root, entry);
    if (found.strays.length > 0)
      throw new Error(`the installer would hold the connected side: ${found.strays.join(', ')}`);
    return found;
  });
}

/** Bundles the whole program in the same way. */
export function toolkitCode(root: string): Promise<Code> {
  return codeOf('src/cli/toolkit.ts', (entry) => bundle(root, entry));
}

async function codeOf(entry: string, read: (entry: string) => Promise<Bundled>): Promise<Code> {
  const [main, worker, client] = await Promise.all([
    read(entry),
    read('src/io/hash-worker.ts'),
    read(CLIENT),
  ]);
  const inputs = [...new Set([...main.inputs, ...worker.inputs, ...client.inputs])].toSorted();
  return { main: main.text, worker: worker.text, client: client.text, inputs };
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
    // A single executable has no file of its own to be beside of; io/hashing does not ask there.
    define: { 'import.meta.url': '""' },
  };
}
