/** Variables by which somebody tells Node, OpenSSL, libuv, ICU or the resolver to load, write or believe something. */
const FOREIGN =
  /^(?:NODE_.*|OPENSSL_.*|SSL_CERT_(?:FILE|DIR)|SSLKEYLOGFILE|UV_.*|ICU_.*|CARES_HOSTS|RANDFILE|CTLOG_FILE|QLOGDIR|OSSL_QFILTER)$/;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The environment without what the runtime must not heed; undefined when there is nothing of it. Variables of the
 * dynamic loader stay: what they load was there before us, and `doctor` has to see them.
 */
export function cleanEnvironment(env: Environment): Record<string, string> | undefined {
  if (!Object.keys(env).some((name) => FOREIGN.test(name))) return undefined;
  const kept = Object.entries(env).filter(([name]) => !FOREIGN.test(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, value ?? '']));
}

/** The first variable of an environment that {@link cleanEnvironment} takes out. */
export function foreignVariable(env: Environment): string | undefined {
  return Object.keys(env).find((name) => FOREIGN.test(name));
}

/** Whether arguments name a descriptor that is handed down, which a program that starts anew would lose. */
export function namesDescriptor(args: readonly string[]): boolean {
  return args.some((each, index) => {
    const given =
      each === '--passphrase-fd' ? args[index + 1] : /^--passphrase-fd=(.*)$/.exec(each)?.[1];
    return given !== undefined && !/^[012]$/.test(given);
  });
}
