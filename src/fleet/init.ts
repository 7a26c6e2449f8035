import { StowageError } from '../core/error.ts';
import type { LedgerUser } from '../format/ledger.ts';
import { type Trust, trustBytes } from '../format/trust.ts';
import { exists, namesIn } from '../io/file.ts';
import { makeFolder } from '../io/folder.ts';
import { FleetFolder, OWN_FOLDER, trustPath } from './fleet-folder.ts';
import { clearUnfinished, record } from './record.ts';

export interface InitFleet {
  readonly root: string;
  readonly name: string;
  /** Confirmed by a person. */
  readonly trust: Trust;
  readonly by: LedgerUser;
  readonly now: Date;
}

/**
 * Creates the folder of a fleet: its settings, its trust document and the first entry of its ledger.
 * @throws StowageError `output-exists`
 */
export async function initFleet(options: InitFleet): Promise<FleetFolder> {
  const { root, name, trust, by, now } = options;
  const folder = new FleetFolder(root);
  await makeFolder(root);
  await folder.locked(async () => {
    await clearUnfinished(folder);
    if (
      (await exists(folder.path('fleet.yaml'))) ||
      (await namesIn(folder.path('ledger'))).length > 0
    )
      throw new StowageError('output-exists', `there is a fleet at ${root} already`, {
        expected: 'a folder without fleet.yaml and ledger',
        found: 'a fleet',
        hint: 'choose another folder; stowage fleet status shows what this one has',
      });
    const ignore = (await exists(folder.path('.gitignore')))
      ? []
      : [{ path: '.gitignore', bytes: Buffer.from(`/${OWN_FOLDER}/\n`) }];
    await record(folder, {
      ...{ action: 'init', subject: name, by, now, heads: [] },
      files: [
        { path: trustPath(trust.version), bytes: trustBytes(trust), recorded: true },
        ...ignore,
        { path: 'fleet.yaml', bytes: Buffer.from(settingsText(name)) },
      ],
    });
  });
  return folder;
}

/** The first `fleet.yaml`, for people to edit. */
function settingsText(name: string): string {
  return `# The settings of a fleet. manifests/FLEET.md explains every field.
apiVersion: stowage/v1
name: ${name}

# The age in days from which the newest receipt of a site is reported as old.
receiptDays: 30

# How releases move between channels. A channel without "from" takes bundles that were packed for it.
channels:
  stable: {}
#  candidate: {}
#  stable:
#    from: candidate
#    evidence:
#      healthy: { sites: 3, days: 7 }
#      approval: true
`;
}
