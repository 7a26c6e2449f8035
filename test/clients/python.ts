import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { outside } from '../lab/outside.ts';
import { capture, run } from '../lab/process.ts';

const CACHE = join(import.meta.dirname, '../../node_modules/.cache/clients');

/** An environment with Python packages at fixed versions. */
export interface PythonClient {
  readonly python: string;
  /** The path of a program of the packages. */
  program(name: string): string;
}

/**
 * A virtual environment with the packages of `requirements/NAME.txt`, installed once.
 * @throws Error if python3 cannot create virtual environments, or the packages cannot be downloaded
 */
export async function pythonClient(name: string): Promise<PythonClient> {
  const wanted = join(import.meta.dirname, 'requirements', `${name}.txt`);
  const folder = join(CACHE, name);
  const bin = join(folder, 'bin');
  const client = { python: join(bin, 'python'), program: (each: string) => join(bin, each) };
  const stamp = join(folder, 'installed.txt');
  const text = readFileSync(wanted, 'utf8');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === text) return client;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(CACHE, { recursive: true });
  const made = await capture(systemPython(), ['-m', 'venv', folder]);
  if (made.status !== 0)
    throw new Error(`python3 makes no environment (apt-get install python3-venv): ${made.stderr}`);
  const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary', ':all:'];
  await run(client.python, ['-m', 'pip', 'install', ...options, '--requirement', wanted], {
    env: outside(),
  });
  writeFileSync(stamp, text);
  return client;
}

function systemPython(): string {
  return existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
}

/** The environment of a client that uses only this endpoint, with its cache in this folder. */
export function hubEnvironment(home: string, endpoint?: string): NodeJS.ProcessEnv {
  mkdirSync(home, { recursive: true });
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    HF_HOME: home,
    PYTHONDONTWRITEBYTECODE: '1',
    ...(endpoint === undefined ? {} : { HF_ENDPOINT: endpoint }),
  };
}

/** Runs a script of this folder in Python and reads the JSON on the last line that it prints. */
export async function askPython(
  { python }: PythonClient,
  script: string,
  job: object,
  options: { readonly env: NodeJS.ProcessEnv; readonly enter?: readonly string[] },
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
): Promise<any> {
  const place = join(import.meta.dirname, script);
  const [command = '', ...args] = [...(options.enter ?? []), python, place, JSON.stringify(job)];
  const output = await run(command, args, { env: options.env });
  return JSON.parse(output.trim().split('\n').at(-1) ?? '');
}

/** A copy of a folder, links and all, which a client may change. */
export function copyOf(folder: string, to: string): string {
  cpSync(folder, to, { recursive: true, verbatimSymlinks: true });
  return to;
}
