const KEPT = 'STOWAGE_TEST_OUTSIDE';
/** Settings of the programs that tests run, as a person or an administrator of this machine may have set them. */
const SETTINGS =
  /^(?:(?:https?|ftp|all|no)_proxy|(?:HF|CONTAINERS|DOCKER|GIT)_.*|REGISTRY_AUTH_FILE|STOWAGE_(?!TEST_).*)$/i;

/**
 * Takes the settings of this machine out of the environment, and its umask: what a test needs it brings itself. Without it, the files that
 * the lab lays out for other users, such as the root of a host, could not be read by them.
 */
export function hideSettings(): void {
  process.umask(0o022);
  const settings = Object.entries(process.env).filter(([name]) => SETTINGS.test(name));
  if (settings.length === 0) return;
  process.env[KEPT] = JSON.stringify(Object.fromEntries(settings));
  for (const [name] of settings) delete process.env[name];
}

/** The environment with those settings, for programs that fetch what a test needs from package registries. */
export function outside(): NodeJS.ProcessEnv {
  return { ...process.env, ...(JSON.parse(process.env[KEPT] ?? '{}') as NodeJS.ProcessEnv) };
}
