import { StowageError } from '../../core/error.ts';
import { connectionText } from '../../target/container/constraints/system.ts';
import { createEngineClient } from '../../target/container/engine-client.ts';
import { policyDefect, policyPaths } from '../../target/container/image-policy.ts';
import { type CommandRunner, type Environment, runCommand } from '../../target/host/command.ts';
import { createHostProbe } from '../../target/host/host-probe.ts';
import { podmanFacts } from '../../target/podman/podman-facts.ts';
import type { Finding } from '../../target/target.ts';
import { type KnownAnswer, knownAnswers } from '../../trust/known-answers.ts';
import { examineRuntime, type Runtime } from './runtime.ts';

export interface HostToExamine {
  readonly runtime: Runtime;
  readonly env: Environment;
  readonly now: Date;
  readonly signal: AbortSignal;
}

export interface HostReport {
  /** Whether no finding is wrong. A person must judge doubts. */
  readonly fit: boolean;
  readonly findings: readonly Finding[];
}

/** Every check of this host that needs no bundle and no site. Writes nothing. */
export async function examineHost(host: HostToExamine): Promise<HostReport> {
  const algorithms = examineAlgorithms();
  const computes = algorithms.every((each) => each.verdict === 'right');
  const findings = [
    ...algorithms,
    ...examineRuntime(host.runtime, computes),
    ...examineEnvironment(host.env),
    examineClock(host.now),
    await examineEngine('podman', host.env, host.signal),
    ...(await examineNetworks(host.env, host.signal)),
    ...(await examineImagePolicy(host.env['HOME'], createHostProbe({ env: host.env }).read)),
    await examineEngine('docker', host.env, host.signal),
  ];
  return { fit: findings.every((each) => each.verdict !== 'wrong'), findings };
}

/** The release day of this version: a correct clock is not before it. Update it with PRODUCT_VERSION. */
export const RELEASED: Date = new Date('2026-11-21T00:00:00Z');
const PLAUSIBLE_YEARS = 20;

/** Whether the time is plausible. */
export function examineClock(now: Date): Finding {
  const last = new Date(RELEASED);
  last.setUTCFullYear(last.getUTCFullYear() + PLAUSIBLE_YEARS);
  const finding = { area: 'clock', check: 'clock', found: now.toISOString() } as const;
  if (now >= RELEASED && now <= last) return { ...finding, verdict: 'right' };
  return {
    ...finding,
    verdict: 'wrong',
    found: `${now.toISOString()}, ${now < RELEASED ? 'before' : `more than ${PLAUSIBLE_YEARS} years after`} this version was released, on ${RELEASED.toISOString().slice(0, 10)}`,
    hint: 'set the clock: signature checks depend on it',
  };
}

/** One finding for each algorithm. A missing algorithm is wrong, never omitted. */
export function examineAlgorithms(
  answers: readonly KnownAnswer[] = knownAnswers(),
): readonly Finding[] {
  return [...Map.groupBy(answers, (each) => each.algorithm)].map(([algorithm, own]) => {
    const failed = own.filter((each) => !each.passed);
    if (failed.length === 0)
      return { area: 'computes', check: algorithm, verdict: 'right', found: listed(own) };
    return {
      area: 'computes',
      check: algorithm,
      verdict: 'wrong',
      found: [...Map.groupBy(failed, (each) => each.found)]
        .map(([found, alike]) => `${listed(alike)}: ${found}`)
        .join('; '),
      hint: 'use the runtime in the installer of a bundle, or Node 24.15 or later with OpenSSL 3.5 or later and the default OpenSSL configuration',
    };
  });
}

function listed(answers: readonly KnownAnswer[]): string {
  return [...new Set(answers.map((each) => each.test))].join(', ');
}

const TIMEOUT_MS = 15_000;

/** Whether an engine works, and its version. Only a site with this target needs it. */
export async function examineEngine(
  engine: 'podman' | 'docker',
  env: Environment,
  signal: AbortSignal,
  run: CommandRunner = runCommand,
): Promise<Finding> {
  const finding = { area: 'engine', check: engine } as const;
  const doubt = {
    ...finding,
    verdict: 'doubt',
    hint: `only sites with the target ${engine} need it`,
  } as const;
  try {
    // Docker needs its daemon: this asks for the daemon's version.
    const args =
      engine === 'podman' ? ['--version'] : ['version', '--format', '{{.Server.Version}}'];
    const options = { env, signal, timeoutMs: TIMEOUT_MS };
    const { status, stdout, stderr } = await run(engine, args, options);
    const version = /^(?:podman version )?([0-9]\S*)\s*$/.exec(stdout)?.[1];
    if (status === 0 && version !== undefined)
      return { ...finding, verdict: 'right', found: version };
    return { ...doubt, found: `exit status ${status}: ${(stderr || stdout).trim().slice(0, 200)}` };
  } catch (error) {
    if (!(error instanceof StowageError) || error.code === 'interrupted') throw error;
    return {
      ...doubt,
      found: error.code === 'host-unfit' ? 'none' : (error.found ?? 'no response'),
    };
  }
}

/** Whether rootless podman can connect the networks of services with this host; nothing as root, and where podman does not work. */
export async function examineNetworks(
  env: Environment,
  signal: AbortSignal,
  run: CommandRunner = runCommand,
): Promise<readonly Finding[]> {
  const finding = { area: 'engine', check: 'networks of rootless podman' } as const;
  try {
    const { connects } = await podmanFacts(createEngineClient('podman', run, env), signal);
    if (connects === undefined) return [];
    const found = connectionText(connects);
    if (connects) return [{ ...finding, verdict: 'right', found }];
    const hint = 'services that have ports or share a network do not start without it';
    return [{ ...finding, verdict: 'doubt', found, hint }];
  } catch (error) {
    if (!(error instanceof StowageError) || error.code === 'interrupted') throw error;
    return [];
  }
}

/** Whether podman's policy lets it pull images from a depot on this host; nothing where there is none. */
export async function examineImagePolicy(
  home: string | undefined,
  read: (path: string) => Promise<string | undefined>,
): Promise<readonly Finding[]> {
  for (const path of policyPaths(home)) {
    const text = await read(path);
    if (text === undefined) continue;
    const defect = policyDefect(text);
    const finding = { area: 'engine', check: 'image policy of podman' } as const;
    if (defect === undefined) return [{ ...finding, verdict: 'right', found: path }];
    return [
      {
        ...finding,
        verdict: 'doubt',
        found: `${path} ${defect}`,
        hint: 'podman cannot pull images from the depot: allow insecureAcceptAnything for "" under transports, docker; stowage verifies every image at import',
      },
    ];
  }
  return [];
}

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
