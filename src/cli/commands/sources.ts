import type { Sources } from '../../build/origins.ts';
import { createHttp } from '../../source/http.ts';
import { createHub, hubSettings } from '../../source/hugging-face.ts';
import { createRegistry } from '../../source/oci.ts';
import { createCredentials } from '../../source/oci-credentials.ts';
import type { CommandContext } from '../command.ts';

/** The sockets of the connected side, with the credentials that the environment and the user's files hold. */
export async function openSources(
  insecure: readonly string[],
  context: CommandContext,
): Promise<Sources> {
  const { env, home } = context.terminal;
  const http = createHttp();
  return {
    http,
    hub: createHub(await hubSettings(env, home), http),
    registry: createRegistry({ credentials: createCredentials(env, home), http, insecure }),
  };
}
