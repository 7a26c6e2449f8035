import type { Context } from '../core/context.ts';
import type { StowageError } from '../core/error.ts';
import type { LedgerUser } from '../format/ledger.ts';
import type { HostProbe } from '../target/host/host-probe.ts';
import type { Target } from '../target/target.ts';
import type { SiteFolder } from './site-folder.ts';

/** The context of every command of a site. */
export interface SiteContext extends Context {
  readonly site: SiteFolder;
  readonly target: Target;
  /** Why `site.yaml` cannot be used, if its settings were recovered. Nothing may be changed then. */
  readonly settingsDefect?: StowageError;
  /** The variables of this process, for secrets that `site.yaml` finds there. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Whether to hash stored blobs whose files have not changed since they were last hashed, too. */
  readonly rehash?: boolean;
  /** Who runs the command, for the ledger. */
  readonly user?: LedgerUser;
  /** This host; tests replace it. */
  readonly host?: HostProbe;
}
