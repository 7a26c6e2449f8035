import { join } from 'node:path';
import type { Rehearsal } from '../../format/rehearsal.ts';
import { namesIn, remove } from '../../io/file.ts';
import { lockHolder, withLock } from '../../io/lock-file.ts';
import { rehearseOnCluster } from '../../site/rehearsal/rehearse-on-cluster.ts';
import { SiteFolder } from '../../site/site-folder.ts';
import { type CommandContext, usage } from '../command.ts';
import { parseListen, readTls } from './depot.ts';
import { keepSigned, type RehearseOptions, readSettings } from './rehearsal-files.ts';

/** Marks the folder of a rehearsal on a cluster while its command runs. */
const LOCK = 'lock';

/** Rehearses a release on the cluster that the settings name, and keeps the signed result in the work folder. */
export async function runOnCluster(
  folders: readonly string[],
  work: string,
  options: RehearseOptions,
  context: CommandContext,
): Promise<Rehearsal> {
  const { settings: file, watch, listen } = options;
  const settings = await readSettings(file === undefined ? undefined : context.path(file));
  const { kubernetes } = settings ?? {};
  if (settings === undefined || kubernetes === undefined)
    throw usage(
      'a rehearsal on kubernetes needs a cluster',
      '--settings FILE, a site.yaml with the section kubernetes',
      file === undefined ? 'no --settings' : `no section kubernetes in ${file}`,
    );
  const tls = await readTls(options, context);
  return withLock(join(work, LOCK), async () => {
    const rehearsal = await rehearseOnCluster(folders, {
      ...context,
      ...{ env: context.terminal.env, work, watchSeconds: watch, kubernetes, values: settings },
      depot: {
        ...parseListen(listen ?? kubernetes.images.registry),
        ...(tls === undefined ? {} : { tls }),
      },
    });
    await keepSigned(rehearsal, new SiteFolder(join(work, 'site')), work, context.now());
    return rehearsal;
  });
}

/** Removes the folders that killed rehearsals on a cluster left here. @param isFolder whether a name is that of such a folder */
export async function removeKilledFolders(
  place: string,
  isFolder: (name: string) => boolean,
): Promise<void> {
  for (const name of (await namesIn(place)).filter(isFolder)) {
    const folder = join(place, name);
    const killed = (await namesIn(join(folder, LOCK))).length > 0;
    if (killed && (await lockHolder(join(folder, LOCK))) === undefined) await remove(folder);
  }
}
