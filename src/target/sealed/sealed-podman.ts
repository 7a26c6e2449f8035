import { basename, dirname, join } from 'node:path';
import { fieldsOf, parseJson, textOf, textsOf } from '../../core/json.ts';
import { writeAtomic } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { createEngineClient } from '../container/engine-client.ts';
import type { CommandRunner } from '../host/command.ts';
import { createPodman } from '../podman/podman.ts';
import { podmanPeers } from './peer-names.ts';
import {
  COMMAND_MS,
  containerIn,
  RUN_FOLDER,
  type SealedEngine,
  type SealedEngineOptions,
  withOpenNetworks,
  withoutRules,
} from './sealed-engine.ts';

/** Podman whose containers share nothing with those of this host's podman. */
export async function createSealedPodman({
  folder,
  run,
  env,
  ipv6,
  services,
  unprivileged,
  signal,
}: SealedEngineOptions): Promise<SealedEngine> {
  const global = [
    ...['--root', join(folder, 'storage'), '--runroot', join(RUN_FOLDER, 'storage')],
    ...['--tmpdir', join(RUN_FOLDER, 'libpod'), '--volumepath', join(folder, 'volumes')],
    ...['--network-config-dir', join(folder, 'networks')],
    ...['--cgroup-manager', 'cgroupfs', '--events-backend', 'file'],
  ];
  const inner = withoutRules(run);
  const own: CommandRunner = (program, args, options) =>
    inner(program, program === 'podman' ? [...global, ...args] : args, options);
  const client = createEngineClient('podman', own, env);
  const call = (args: readonly string[], stop: AbortSignal): Promise<string> =>
    client.runChecked(args, stop, COMMAND_MS);
  if (unprivileged) {
    const text = await call(['info', '--format', 'json'], signal);
    const { ociRuntime } = fieldsOf(fieldsOf(parseJson(Buffer.from(text)))['host']);
    const path = textOf(fieldsOf(ociRuntime)['path']) ?? 'runc';
    // Its name tells podman what it can do.
    const script = join(folder, 'runtime', basename(path));
    await makeFolder(dirname(script), 0o700);
    await writeAtomic(script, Buffer.from(runtimeScript(path)), 0o700);
    global.push('--runtime', script);
  }
  const engine = createPodman({ env, run: own, systemd: false });
  return {
    engine: withOpenNetworks(engine, ipv6),
    peers: await podmanPeers(services),
    containerName: (container) => container,
    async inspect(container, stop) {
      const text = await call(['container', 'inspect', container], stop);
      const diff = fieldsOf(
        parseJson(Buffer.from(await call(['diff', '--format', 'json', container], stop))),
      );
      return {
        ...containerIn(text),
        written: [...textsOf(diff['added']), ...textsOf(diff['changed'])],
      };
    },
    async clear(stop) {
      await call(['rm', '--all', '--force', '--time', '0'], stop);
    },
  };
}

/** What needs control groups in the `linux` of a container's `config.json` (OCI runtime specification). */
const REMOVED = [
  '"cgroupsPath":"[^"]*"',
  ...['memory', 'cpu', 'pids'].map((name) => `"${name}":{[^{}]*}`),
];

/**
 * A runtime of containers for root of a user namespace, who has no control groups: it takes what needs them out of the container's
 * `config.json`, as podman writes it, and runs the runtime of the host. In texts, quotes are escaped, so that they stay as they are.
 * @param path of runc or crun
 */
export function runtimeScript(path: string): string {
  const edits = REMOVED.flatMap((each) => [`s/,${each}//`, `s/${each},\\{0,1\\}//`]).join(';');
  const options = path.endsWith('/crun') ? '--cgroup-manager disabled ' : '';
  return `#!/bin/sh
bundle= previous=
for each; do [ "$previous" = --bundle ] && bundle=$each; previous=$each; done
[ -z "$bundle" ] || sed -i '${edits}' "$bundle/config.json" || exit 1
exec '${path.replaceAll("'", `'\\''`)}' ${options}"$@"
`;
}
