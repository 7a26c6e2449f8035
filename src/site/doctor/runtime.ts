import { createHash, getFips } from 'node:crypto';
import { satisfies } from 'semver';
import type { Finding } from './finding.ts';

/** The runtime that executes the program, as far as it tells of itself. */
export interface Runtime {
  readonly node: string;
  readonly openssl: string;
  /** Whether OpenSSL is the system's, not the one that Node was built with. */
  readonly sharedOpenssl: boolean;
  /** Flags of Node's own, from the command line. */
  readonly flags: readonly string[];
  /** Paths of the libraries that are loaded now. */
  libraries(): readonly string[];
}

/** What OpenSSL's provider modules are called when they are loaded from a file. */
const PROVIDER = /\/(?:fips|legacy|pkcs11|tpm2|[^/]*prov(?:ider)?)\.so$/;

/** Versions, flags and providers; then FIPS. */
export function examineRuntime(runtime: Runtime, computes: boolean): readonly Finding[] {
  const providers = runtime.libraries().filter((path) => PROVIDER.test(path));
  return [
    node(runtime),
    openssl(runtime, providers),
    fips(getFips() !== 0, computes, providers),
    ...(runtime.flags.length === 0 ? [] : [flags(runtime.flags)]),
  ];
}

function node({ node: version }: Runtime): Finding {
  const tried = satisfies(version, '>=24.15', { includePrerelease: true });
  const finding = { area: 'runtime', check: 'Node', found: version } as const;
  if (tried) return { ...finding, verdict: 'right' };
  return { ...finding, verdict: 'doubt', hint: 'use Node 24.15 or later' };
}

function openssl(runtime: Runtime, providers: readonly string[]): Finding {
  const where = runtime.sharedOpenssl ? 'of the system' : 'built into Node';
  const modules =
    providers.length === 0
      ? 'no provider module is loaded from a file'
      : `provider modules loaded from files: ${providers.join(', ')}`;
  return {
    area: 'runtime',
    check: 'OpenSSL',
    verdict: providers.length === 0 ? 'right' : 'doubt',
    found: `${runtime.openssl}, ${where}; ${modules}`,
    ...(providers.length === 0
      ? {}
      : { hint: 'the configuration of OpenSSL loads them: find out who wrote it, and why' }),
  };
}

/**
 * What can honestly be said of FIPS mode. `getFips()` is no evidence: `setFips(true)` succeeds where there is no FIPS
 * provider, and then every hash throws. Nothing in Node names the provider that answers, so nothing here claims one.
 */
export function fips(
  claimed: boolean,
  computes: boolean,
  providers: readonly string[],
  md5: () => boolean = md5Answers,
): Finding {
  const finding = { area: 'runtime', check: 'FIPS' } as const;
  if (!claimed)
    return {
      ...finding,
      verdict: 'right',
      found: 'off: the runtime does not claim it, and neither does stowage',
    };
  const claim = 'claimed by the runtime, which proves nothing';
  if (!computes)
    return {
      ...finding,
      verdict: 'wrong',
      found: `${claim}; known answers fail under it, as they do where no FIPS provider is loaded`,
      hint: 'install and configure the FIPS provider of this OpenSSL, or leave FIPS mode off',
    };
  const module = providers.find((path) => path.endsWith('/fips.so'));
  const contrary = [
    ...(module === undefined ? ['no fips.so is loaded from a file'] : []),
    ...(md5() ? ['MD5 still answers, which a FIPS provider refuses'] : []),
  ];
  return {
    ...finding,
    verdict: 'doubt',
    found: [
      claim,
      'known answers pass under it',
      ...(contrary.length === 0 ? [`${module} is loaded and MD5 is refused`] : contrary),
    ].join('; '),
    hint: 'whether the module is validated is written in its certificate and security policy: compare its version and digest with those',
  };
}

function md5Answers(): boolean {
  try {
    createHash('md5').update('').digest();
    return true;
  } catch {
    return false;
  }
}

function flags(given: readonly string[]): Finding {
  return {
    area: 'runtime',
    check: 'flags of Node',
    verdict: 'doubt',
    found: given.join(' '),
    hint: 'start stowage without flags of Node, unless you gave these yourself',
  };
}
