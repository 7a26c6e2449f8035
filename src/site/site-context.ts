import type { Context } from '../core/event.ts';
import type { HostProbe } from '../target/host/host-probe.ts';
import type { Target } from '../target/target.ts';
import type { SiteFolder } from './site-folder.ts';

/** A site, what its services run on, and the host: what every command of a site is given. */
export interface SiteContext extends Context {
  readonly site: SiteFolder;
  readonly target: Target;
  /** The variables of this process, for secrets that `site.yaml` finds there. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** This host, unless a test puts another in its place. */
  readonly host?: HostProbe;
}
