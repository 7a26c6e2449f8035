import { MAX_CERTIFICATE_BYTES } from '../../core/limits.ts';
import type { Trust } from '../../format/trust.ts';
import { readNamed } from '../../io/file.ts';
import { decodeCertificates } from '../../trust/certificate-file.ts';
import { type CommandContext, usage } from '../command.ts';

/** Splits `LEFT=RIGHT`. @throws StowageError `usage-invalid` */
export function splitPair(pair: string, option: string, form: string): [string, string] {
  const cut = pair.indexOf('=');
  if (cut > 0 && cut < pair.length - 1) return [pair.slice(0, cut), pair.slice(cut + 1)];
  throw usage(`invalid ${option}`, form, pair);
}

/** Reads the root given as `NAME=FILE`. */
export async function readRoot(
  pair: string,
  context: CommandContext,
): Promise<Trust['roots'][number]> {
  const [name, file] = splitPair(pair, 'root', 'NAME=FILE');
  const [certificate, ...others] = decodeCertificates(
    await readNamed(context.path(file), 2 * MAX_CERTIFICATE_BYTES),
  );
  if (certificate === undefined || others.length > 0)
    throw usage(
      'a root must be a single certificate',
      `one certificate in ${file}`,
      `${others.length + 1}`,
    );
  return { name, certificate: certificate.der.toString('base64') };
}
