import { createHash, getFips } from 'node:crypto';
import { satisfies } from 'semver';
import type { Finding } from '../../target/target.ts';

/** The runtime of this program, as it reports itself. */
export interface Runtime {
  readonly node: string;
  readonly openssl: string;
  /** Whether OpenSSL is that of the system instead of the one built into Node. */
  readonly sharedOpenssl: boolean;
  /** Flags of Node from the command line. */
  readonly flags: readonly string[];
  /** Paths of the loaded libraries. */
  libraries(): readonly string[];
}

/** File names of OpenSSL provider modules. */
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
      ? 'no provider modules loaded from files'
      : `provider modules loaded from files: ${providers.join(', ')}`;
  return {
    area: 'runtime',
    check: 'OpenSSL',
    verdict: providers.length === 0 ? 'right' : 'doubt',
    found: `${runtime.openssl}, ${where}; ${modules}`,
    ...(providers.length === 0
      ? {}
      : { hint: 'the OpenSSL configuration loads them: check where it comes from' }),
  };
}

/**
 * What is known about FIPS mode. `getFips()` is not evidence: `setFips(true)` succeeds without a FIPS provider, and then
 * every hash throws. Node does not report the active provider, so this makes no claim about it.
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
      found: 'off: neither the runtime nor stowage claims FIPS mode',
    };
  const claim = 'claimed by the runtime, which is not proof';
  if (!computes)
    return {
      ...finding,
      verdict: 'wrong',
      found: `${claim}; known-answer tests fail, as they do without a FIPS provider`,
      hint: 'install and configure the FIPS provider of this OpenSSL, or turn FIPS mode off',
    };
  const module = providers.find((path) => path.endsWith('/fips.so'));
  const contrary = [
    ...(module === undefined ? ['fips.so is not loaded'] : []),
    ...(md5() ? ['MD5 still works, which a FIPS provider refuses'] : []),
  ];
  return {
    ...finding,
    verdict: 'doubt',
    found: [
      claim,
      'known-answer tests pass',
      ...(contrary.length === 0 ? [`${module} is loaded and MD5 is refused`] : contrary),
    ].join('; '),
    hint: 'compare the version and digest of the module with its validation certificate and security policy',
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
    hint: 'start stowage without these flags, unless you set them deliberately',
  };
}
