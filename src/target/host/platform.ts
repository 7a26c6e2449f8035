import { arch, release } from 'node:os';

/** This host as OCI names platforms: `linux/amd64`. */
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

/** The release of the kernel that runs, such as `6.1.0-25-amd64`. */
export function hostKernel(): string {
  return release();
}
