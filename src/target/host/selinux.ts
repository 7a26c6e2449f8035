import { existsSync } from 'node:fs';

/** Whether this host has SELinux, enforcing or not: then what containers mount needs a label that they may read. */
export function hasSelinux(): boolean {
  return existsSync('/sys/fs/selinux/enforce');
}
