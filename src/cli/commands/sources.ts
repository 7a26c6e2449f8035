import type { Sources } from '../../build/origins.ts';
import { createHostTrust } from '../../credential/host-trust.ts';
import { createCredentials } from '../../credential/registry-credentials.ts';
import { createGit } from '../../source/git.ts';
import { createHttp } from '../../source/http.ts';
import { createHub, hubSettings } from '../../source/hugging-face.ts';
import { createRegistry } from '../../source/oci.ts';
import { readProxies } from '../../source/proxy.ts';
import { createWire } from '../../source/wire.ts';
import type { CommandContext } from '../command.ts';

/** The options of every command that asks sources. */
export interface SourceOptions {
  readonly insecureRegistry: readonly string[];
  readonly caFile?: string;
}

/** The sockets of the connected side, with the credentials that the environment and the user's files hold. */
export async function openSources(
  options: SourceOptions,
  context: CommandContext,
): Promise<Sources> {
  const { env, home } = context.terminal;
  const { insecureRegistry: insecure, caFile } = options;
  const ca = caFile === undefined ? undefined : context.path(caFile);
  const trust = await createHostTrust({ env, home, caFile: ca });
  const proxies = readProxies(env);
  const http = createHttp({ wire: createWire({ proxies, trust }) });
  return {
    http,
    git: createGit({ env, home, http, proxies, trust, insecure }),
    hub: createHub(await hubSettings(env, home), http),
    registry: createRegistry({ credentials: createCredentials(env, home), http, insecure }),
  };
}
