import { join } from 'node:path';
import type { Environment } from '../core/context.ts';
import { type Credential, readCredentialFile } from './credential-file.ts';
import { askHelper, type HelperAnswer } from './credential-helper.ts';
import { Secret } from './secret.ts';

export type { Credential } from './credential-file.ts';

/** The registry credentials that the container engines of this machine keep. */
export interface CredentialStore {
  /**
   * @param registry as references name it: `docker.io`, `localhost:5000`
   * @throws StowageError `document-invalid`, `source-denied`, `io-failed`
   */
  find(registry: string, repository: string, signal: AbortSignal): Promise<Credential | undefined>;
}

/**
 * The files that podman and docker read, in podman's order: `REGISTRY_AUTH_FILE` alone when it is set; else
 * `$XDG_RUNTIME_DIR/containers/auth.json`, or without that variable `auth.json` in the folder of this user;
 * `$XDG_CONFIG_HOME/containers/auth.json`, docker's `config.json`.
 * @param folder {@link podmanFolder} of this user; absent for none
 */
export function createCredentials(
  env: Environment,
  home: string,
  folder?: string,
): CredentialStore {
  return {
    find: async (registry, repository, signal) => {
      for (const path of credentialPaths(env, home, folder)) {
        const found = await findIn(path, { registry, repository, env, signal });
        if (found !== undefined) return found;
      }
      return undefined;
    },
  };
}

interface Sought {
  readonly registry: string;
  readonly repository: string;
  readonly env: Environment;
  readonly signal: AbortSignal;
}

/** Where podman keeps files of a user whose session has no folder of its own, such as root's after `su`. */
export function podmanFolder(uid: number): string {
  return `/run/containers/${uid}`;
}

function credentialPaths(env: Environment, home: string, folder?: string): string[] {
  const chosen = env['REGISTRY_AUTH_FILE'];
  if (chosen) return [chosen];
  const runtime = env['XDG_RUNTIME_DIR'] ? join(env['XDG_RUNTIME_DIR'], 'containers') : folder;
  return [
    ...(runtime === undefined ? [] : [join(runtime, 'auth.json')]),
    join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'containers', 'auth.json'),
    join(env['DOCKER_CONFIG'] || join(home, '.docker'), 'config.json'),
  ];
}

async function findIn(
  path: string,
  { registry, repository, env, signal }: Sought,
): Promise<Credential | undefined> {
  const file = await readCredentialFile(path);
  if (file === undefined) return undefined;
  const names = namesOf(registry);
  const helper = names.map((name) => file.helpers.get(name)).find(Boolean) ?? file.store;
  if (helper !== undefined) {
    const server = registry === 'docker.io' ? 'https://index.docker.io/v1/' : registry;
    const answer = await askHelper(helper, server, env, signal);
    if (answer !== undefined) return fromHelper(answer);
  }
  // podman's keys may end in a namespace; the longest that fits wins.
  const segments = repository.split('/');
  for (let depth = segments.length; depth >= 0; depth--) {
    const below = segments.slice(0, depth).map((each) => `/${each}`);
    for (const name of names) {
      const found = file.auths.get(`${name}${below.join('')}`);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function namesOf(registry: string): string[] {
  return registry === 'docker.io'
    ? ['docker.io', 'index.docker.io', 'registry-1.docker.io']
    : [registry];
}

function fromHelper({ username, secret }: HelperAnswer): Credential {
  return username === '<token>'
    ? { kind: 'identity', token: new Secret(secret) }
    : { kind: 'basic', username, password: new Secret(secret) };
}
