import { existsSync } from 'node:fs';
import { arch, release } from 'node:os';

/** The OCI platform of this host: `linux/amd64`. */
export function hostPlatform(): string {
  const names: Readonly<Record<string, string>> = {
    x64: 'amd64',
    arm64: 'arm64',
    ppc64: 'ppc64le',
    s390x: 's390x',
  };
  const machine = arch();
  return `linux/${names[machine] ?? machine}`;
}

/** The release of the running kernel, such as `6.1.0-25-amd64`. */
export function hostKernel(): string {
  return release();
}

/** Whether this host has SELinux, enforcing or not. Mounts of containers then need a label. */
export function hasSelinux(): boolean {
  return existsSync('/sys/fs/selinux/enforce');
}
