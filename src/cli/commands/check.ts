import { deriveOffline } from '../../build/derive.ts';
import { counted } from '../../core/text.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { derivedLines } from './derived-lines.ts';
import { checkManifest, DEFAULT_MANIFEST } from './manifest-file.ts';

/** Checks a manifest without a network and writes nothing. `stowage lock` begins with the same checks. */
export async function check(
  file: string | undefined,
  context: CommandContext,
): Promise<CommandResult> {
  const { manifest } = await checkManifest(file, context);
  const { name, version, models, images, files, services } = manifest;
  const contents = [
    counted(models.length, 'model'),
    counted(images.length, 'image'),
    counted(files.length, 'file or folder', 'files or folders'),
    counted(services.length, 'service'),
  ];
  const derived = deriveOffline(manifest);
  const lines = [
    `${file ?? DEFAULT_MANIFEST}: no defects`,
    `  ${name} ${version}: ${contents.join(', ')}`,
    ...derivedLines(derived),
  ];
  return {
    json: { manifest: file ?? DEFAULT_MANIFEST, name, version, defects: [], derived },
    text: `${lines.join('\n')}\n`,
  };
}
