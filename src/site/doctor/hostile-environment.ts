import type { Finding } from './finding.ts';

/** Variables that change what the runtime loads or trusts before our code runs. */
const variables: Readonly<Record<string, string>> = {
  NODE_OPTIONS: 'sets flags of Node, including modules to load first',
  NODE_PATH: 'adds folders of Node modules',
  NODE_EXTRA_CA_CERTS: 'adds TLS certificate authorities',
  NODE_TLS_REJECT_UNAUTHORIZED: 'can disable TLS verification',
  OPENSSL_CONF: 'replaces the OpenSSL configuration, which can load providers',
  OPENSSL_MODULES: 'changes the folder of OpenSSL providers',
  OPENSSL_ENGINES: 'changes the folder of OpenSSL engines',
  SSL_CERT_FILE: 'replaces the TLS certificate authorities',
  SSL_CERT_DIR: 'replaces the TLS certificate authorities',
  SSLKEYLOGFILE: 'writes TLS keys to a file',
  LD_PRELOAD: 'preloads a library into every program',
  LD_LIBRARY_PATH: 'changes where libraries are loaded from',
  LD_AUDIT: 'lets a library intercept all others',
};

const MAX_SHOWN = 200;

/** A doubt for each of these variables that is set; a single finding if none is. */
export function examineEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): readonly Finding[] {
  const names = Object.keys(variables);
  const set = names.filter((name) => (env[name] ?? '') !== '');
  if (set.length === 0) {
    const found = `none of ${names.join(', ')} is set`;
    return [{ area: 'environment', check: 'variables', verdict: 'right', found }];
  }
  return set.map((name) => ({
    area: 'environment',
    check: name,
    verdict: 'doubt',
    found: `${(env[name] ?? '').slice(0, MAX_SHOWN)}; it ${variables[name]}`,
    hint: `unset ${name}, unless you set it deliberately`,
  }));
}
