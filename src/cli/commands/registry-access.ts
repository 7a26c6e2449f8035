import { createHostTrust } from '../../net/host-trust.ts';
import { createHttp, type Http, waitWarning } from '../../net/http.ts';
import { readProxies } from '../../net/proxy.ts';
import { createRegistryClient, type RegistryClient } from '../../net/registry-client.ts';
import { createCredentials, podmanFolder } from '../../net/registry-credentials.ts';
import { createTransport } from '../../net/transport.ts';
import type { CommandContext } from '../command.ts';

export interface AccessOptions {
  readonly caFile?: string;
  readonly insecure?: boolean;
}

/** A client for one registry, or for a depot, with the credentials, CAs and proxies of this machine. */
export async function registryAccess(
  registry: string,
  { caFile, insecure }: AccessOptions,
  context: CommandContext,
): Promise<{ readonly client: RegistryClient; readonly http: Http }> {
  const { env, home, uid } = context.terminal;
  const ca = caFile === undefined ? undefined : context.path(caFile);
  const trust = await createHostTrust({ env, home, caFile: ca });
  const http = createHttp({
    transport: createTransport({ proxies: readProxies(env), trust }),
    onWait: waitWarning(context.emit),
  });
  const client = createRegistryClient({
    ...{ http, credentials: createCredentials(env, home, podmanFolder(uid)) },
    insecure: insecure === true ? [registry] : [],
    plainOption: '--insecure',
  });
  return { client, http };
}
