import type { Environment } from '../../target/host/command.ts';
import { examineAlgorithms } from './computes.ts';
import { examineEngine } from './engine.ts';
import type { Finding } from './finding.ts';
import { examineClock } from './host-clock.ts';
import { examineEnvironment } from './hostile-environment.ts';
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
    await examineEngine('docker', host.env, host.signal),
  ];
  return { fit: findings.every((each) => each.verdict !== 'wrong'), findings };
}
