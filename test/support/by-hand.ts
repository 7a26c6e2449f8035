import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** Runs the commands of a VERIFY.txt as they stand there, in a bundle's folder. @returns whether all of them hold */
export async function holdsByHand(folder: string, text: string, root: string): Promise<boolean> {
  const commands = [...text.matchAll(/^ {4}(.*)$/gm)].map((match) => match[1] ?? '');
  const script = commands.join('\n').replace('/path/to/ROOT.pem', root);
  const child = spawn('bash', ['-e', '-c', script], { cwd: folder, stdio: 'ignore' });
  const [status] = (await once(child, 'close')) as [number | null];
  return status === 0;
}

export function textOf(folder: string): string {
  return readFileSync(`${folder}/VERIFY.txt`, 'utf8');
}
