import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** Runs the commands of a VERIFY.txt as they stand there, in a bundle's folder. @returns whether all of them hold */
export async function holdsByHand(folder: string, text: string, root: string): Promise<boolean> {
  return (await byHand(folder, text, root)).status === 0;
}

/**
 * Like {@link holdsByHand}.
 * @param roots one path, or several as bash reads them
 * @returns also what the commands print, on both outputs
 */
export async function byHand(
  folder: string,
  text: string,
  roots: string,
): Promise<{ status: number | null; shown: string }> {
  const commands = [...text.matchAll(/^ {4}(.*)$/gm)].map((match) => match[1] ?? '');
  const script = commands.join('\n').replace('/path/to/ROOT.pem', roots);
  const child = spawn('bash', ['-e', '-c', script], { cwd: folder });
  let shown = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      shown += chunk.toString('latin1');
    });
  child.stdin.end();
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, shown };
}

export function textOf(folder: string): string {
  return readFileSync(`${folder}/VERIFY.txt`, 'utf8');
}
