const KEPT = 'STOWAGE_TEST_OUTSIDE';
const PROXIES = ['http_proxy', 'https_proxy', 'ftp_proxy', 'all_proxy', 'no_proxy'].flatMap(
  (name) => [name, name.toUpperCase()],
);

/** Takes the proxies of this machine out of the environment: no program under test may depend on them. */
export function hideProxies(): void {
  const proxies = PROXIES.filter((name) => process.env[name] !== undefined);
  if (proxies.length === 0) return;
  process.env[KEPT] = JSON.stringify(
    Object.fromEntries(proxies.map((name) => [name, process.env[name]])),
  );
  for (const name of proxies) delete process.env[name];
}

/** The environment with those proxies, for programs that fetch what a test needs from package registries. */
export function outside(): NodeJS.ProcessEnv {
  return { ...process.env, ...(JSON.parse(process.env[KEPT] ?? '{}') as NodeJS.ProcessEnv) };
}
