/** Variables that make Node, OpenSSL, libuv, ICU or the resolver load code, write files or change trust. */
const FOREIGN =
  /^(?:NODE_.*|OPENSSL_.*|SSL_CERT_(?:FILE|DIR)|SSLKEYLOGFILE|UV_.*|ICU_.*|CARES_HOSTS|RANDFILE|CTLOG_FILE|QLOGDIR|OSSL_QFILTER)$/;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The environment without variables that change the runtime; undefined if it has none. Variables of the dynamic
 * loader are kept: the loader has already acted on them, and `doctor` must see them.
 */
export function cleanEnvironment(env: Environment): Record<string, string> | undefined {
  if (!Object.keys(env).some((name) => FOREIGN.test(name))) return undefined;
  const kept = Object.entries(env).filter(([name]) => !FOREIGN.test(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, value ?? '']));
}

/** The first variable that {@link cleanEnvironment} would remove. */
export function foreignVariable(env: Environment): string | undefined {
  return Object.keys(env).find((name) => FOREIGN.test(name));
}

/** Whether an argument names an inherited file descriptor, which would be lost on a restart. */
export function namesDescriptor(args: readonly string[]): boolean {
  return args.some((each, index) => {
    const given =
      each === '--passphrase-fd' ? args[index + 1] : /^--passphrase-fd=(.*)$/.exec(each)?.[1];
    return given !== undefined && !/^[012]$/.test(given);
  });
}
