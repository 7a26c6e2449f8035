/**
 * Carries out one method of a target and dies of SIGKILL just before the given command of its engine.
 * `node killed.ts <JSON>`: exit status 0 when there were fewer commands.
 */

import { createDocker } from '../../../src/target/docker/docker.ts';
import { runCommand } from '../../../src/target/host/command.ts';
import { createPodman } from '../../../src/target/podman/podman.ts';
import type { Order } from './engine-suite.ts';

const order = JSON.parse(process.argv[2] ?? '') as Order;
const { signal } = new AbortController();
let commands = 0;
const run: typeof runCommand = async (program, args, options) => {
  commands += 1;
  if (commands === order.dieAt) process.kill(process.pid, 'SIGKILL');
  const [command = program, ...words] = [...order.through, program, ...args];
  return runCommand(command, words, options);
};
const { env } = process;
const target =
  order.engine === 'docker'
    ? createDocker({ env, run, secretFolder: order.secretFolder })
    : createPodman({ env, run, systemd: false });
if (order.method === 'startService') await target.startService(order.service, signal);
if (order.method === 'stopService') await target.stopService(order.service, signal);
if (order.method === 'loadImage')
  await target.loadImage(order.service.image, order.depotHost, signal);
