import { StowageError } from '../../core/error.ts';
import type { IgnoredLimits, ResourceLimit } from '../container/engine.ts';
import { type EngineClient, engineInfo, isAtLeast } from '../container/engine-client.ts';

/** What the docker daemon reports about itself and its host. */
export interface DockerFacts {
  readonly version: string;
  readonly rootless: boolean;
  readonly cgroups?: 1 | 2;
  readonly ignoredLimits?: IgnoredLimits;
  /** Its storage driver, such as `overlay2`. */
  readonly driver?: string;
  /** Its folder of images. */
  readonly images?: string;
  /** Whether it supports the Container Device Interface. */
  readonly cdi: boolean;
}

/** The oldest tested version, in Debian 11 and 12. */
const OLDEST = [20, 10] as const;
/** The first version that reads device specifications by default. */
const CDI = [28, 3] as const;

interface Info {
  readonly ServerVersion?: string;
  readonly CgroupVersion?: string;
  readonly MemoryLimit?: boolean;
  readonly PidsLimit?: boolean;
  readonly DockerRootDir?: string;
  readonly Driver?: string;
  readonly SecurityOptions?: readonly string[] | null;
}

/** @throws StowageError `host-unfit` when docker is absent or too old, `engine-failed` when its daemon does not answer */
export async function dockerFacts(docker: EngineClient, signal: AbortSignal): Promise<DockerFacts> {
  const info = await engineInfo<Info>(docker, signal, unfit);
  const version = info.ServerVersion ?? '';
  if (!isAtLeast(version, OLDEST))
    throw unfit(version === '' ? 'no response from the daemon' : version);
  const cgroups = { '1': 1, '2': 2 }[info.CgroupVersion ?? ''] as 1 | 2 | undefined;
  return {
    version,
    rootless: (info.SecurityOptions ?? []).some((each) => each.includes('name=rootless')),
    ...(cgroups === undefined ? {} : { cgroups }),
    ...ignoring(info),
    ...(info.Driver === undefined ? {} : { driver: info.Driver }),
    ...(info.DockerRootDir?.startsWith('/') ? { images: info.DockerRootDir } : {}),
    cdi: isAtLeast(version, CDI),
  };
}

/** The limits that docker discards with a warning. With `--cpus`, it refuses to create a container where it cannot enforce it. */
function ignoring({ MemoryLimit, PidsLimit }: Info): Pick<DockerFacts, 'ignoredLimits'> {
  const limits: ResourceLimit[] = [
    ...(MemoryLimit === false ? (['memory'] as const) : []),
    ...(PidsLimit === false ? (['pids'] as const) : []),
  ];
  if (limits.length === 0) return {};
  const reason = 'docker info reports that this host does not support such limits';
  return { ignoredLimits: { limits, reason } };
}

function unfit(found: string, cause?: unknown): StowageError {
  return new StowageError('host-unfit', 'this host has no suitable docker', {
    expected: `docker ${OLDEST.join('.')} or later with a running daemon`,
    found,
    hint: 'install it from the packages of this host, "apt-get install docker.io" on Debian and Ubuntu, and start it: "systemctl enable --now docker"',
    cause,
  });
}
