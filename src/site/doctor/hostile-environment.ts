import type { Finding } from './finding.ts';

/** Variables that change what the runtime loads or believes, before any code of ours runs. */
const variables: Readonly<Record<string, string>> = {
  NODE_OPTIONS: 'gives Node flags, among them modules to run first',
  NODE_PATH: 'has Node look for modules in other folders',
  NODE_EXTRA_CA_CERTS: 'adds authorities for TLS',
  NODE_TLS_REJECT_UNAUTHORIZED: 'can turn the checks of TLS off',
  OPENSSL_CONF: 'gives OpenSSL another configuration, which can load providers',
  OPENSSL_MODULES: 'has OpenSSL load providers from another folder',
  OPENSSL_ENGINES: 'has OpenSSL load engines from another folder',
  SSL_CERT_FILE: 'replaces the authorities for TLS',
  SSL_CERT_DIR: 'replaces the authorities for TLS',
  SSLKEYLOGFILE: 'has the keys of TLS written to a file',
  LD_PRELOAD: 'loads a library before all others, into every program',
  LD_LIBRARY_PATH: 'has libraries loaded from other folders',
  LD_AUDIT: 'has a library watch and redirect all others',
};

const MAX_SHOWN = 200;

/** A doubt for each hostile variable that is set; one finding that says so when none is. */
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
    hint: `unset ${name}, unless you set it yourself and know why`,
  }));
}
