import type { Sources } from '../../build/origins.ts';
import { createHostTrust } from '../../net/host-trust.ts';
import { createHttp, waitWarning } from '../../net/http.ts';
import { readProxies } from '../../net/proxy.ts';
import { createCredentials, podmanFolder } from '../../net/registry-credentials.ts';
import { createTransport } from '../../net/transport.ts';
import { createGit } from '../../source/git.ts';
import { createHub, hubSettings } from '../../source/hugging-face.ts';
import { createRegistry } from '../../source/oci.ts';
import { type S3Settings, s3Settings } from '../../source/s3-settings.ts';
import type { CommandContext } from '../command.ts';

/** The options of commands that access sources. */
export interface SourceOptions {
  readonly insecureRegistry: readonly string[];
  readonly caFile?: string;
}

/** Creates the clients for all sources, with credentials from the environment and the user's files. */
export async function openSources(
  options: SourceOptions,
  context: CommandContext,
): Promise<Sources> {
  const { env, home, uid } = context.terminal;
  const { insecureRegistry: insecure, caFile } = options;
  const ca = caFile === undefined ? undefined : context.path(caFile);
  const trust = await createHostTrust({ env, home, caFile: ca });
  const proxies = readProxies(env);
  const http = createHttp({
    transport: createTransport({ proxies, trust }),
    onWait: waitWarning(context.emit),
  });
  const credentials = createCredentials(env, home, podmanFolder(uid));
  let store: Promise<S3Settings> | undefined;
  const s3 = (): Promise<S3Settings> => {
    store ??= s3Settings(env, home);
    return store;
  };
  return {
    http,
    env,
    s3,
    openBundle: async (place, trustFile, signal) =>
      (await import('./source-bundle.ts')).openSourceBundle(place, trustFile, context, signal),
    git: createGit({ env, home, http, proxies, trust, insecure }),
    hub: createHub(await hubSettings(env, home), http, credentials),
    registry: createRegistry({ credentials, http, insecure }),
  };
}
