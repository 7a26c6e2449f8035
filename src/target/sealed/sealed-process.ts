import { StowageError } from '../../core/error.ts';
import { type Environment, programPath } from '../host/command.ts';

/** The engines that releases can be rehearsed on. */
export const sealedTargets = ['podman', 'docker'] as const;
export type SealedTarget = (typeof sealedTargets)[number];

/** Set for the process in the sealed network, if a user without root started it. */
export const UNPRIVILEGED = 'STOWAGE_REHEARSAL_UNPRIVILEGED';

/** Where a rehearsal without root finds its folder. */
export const ROOT_OF_UNPRIVILEGED = '/.rehearsal';

/** The rehearsal in its sealed network, and how it is started. */
export interface SealedProcess {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Environment;
}

/**
 * Starts a command in namespaces for network, mounts and processes, without root also in one for users, in which it is root. When
 * the standard input ends, because the process that holds it is gone, everything inside ends, and `work` is removed.
 * @param work the folder of the rehearsal. What the engine and the site made in it is removed in any case, also what belongs to
 * other users of the user namespace
 * @param space for a user without root: an empty folder of at most 40 characters for the podman that makes the user namespace. It
 * is removed with `work`
 */
export function sealedProcess(
  command: readonly string[],
  {
    work,
    space,
    env,
  }: { readonly work: string; readonly space?: string | undefined; readonly env: Environment },
): SealedProcess {
  const spaces = ['--net', '--mount', '--propagation', 'private', '--pid', '--fork'];
  const inside = [
    ...['unshare', ...spaces, '--kill-child', '--mount-proc'],
    ...['sh', '-c', INSIDE_SCRIPT, 'sh', work, ...command],
  ];
  const kept = ['sh', '-c', KEEPER_SCRIPT, 'sh', work, space ?? '', ...inside];
  const own = withSbin(env);
  if (space === undefined) {
    const [program = '', ...args] = kept;
    return { program, args, env: own };
  }
  const storage = ['--root', `${space}/storage`, '--runroot', `${space}/run`];
  return {
    program: 'podman',
    args: [...storage, 'unshare', ...kept],
    // Where podman notes the process that keeps the user namespace.
    env: { ...own, XDG_RUNTIME_DIR: space, [UNPRIVILEGED]: '1' },
  };
}

/**
 * Runs as the parent of everything inside. What a rehearsal leaves if it is killed: its folder, the control groups of its containers,
 * the process of podman that keeps a user namespace, and /etc/docker where there was none. The file `kept` says that it runs.
 */
const KEEPER_SCRIPT = `work=$1 space=$2; shift 2
exec 3<&0 </dev/null
: >"$work/kept"
docker=/etc/docker; [ -e "$docker" ] && docker=
"$@" 3<&- & child=$!
{ while read -r _; do :; done; : >"$work/abandoned"; kill -KILL "$child"; } <&3 >/dev/null 2>&1 & watch=$!
trap 'kill -KILL "$child"' TERM INT HUP
# The shell says how its child ended, which nobody may be there to read.
trap : PIPE
wait "$child" 2>/dev/null; status=$?
while kill -0 "$child" 2>/dev/null; do wait "$child" 2>/dev/null; status=$?; done
exec >/dev/null 2>&1
trap '' TERM INT HUP
kill "$watch"
tries=100
later() { tries=$((tries - 1)); [ "$tries" -gt 0 ] && sleep 0.1; }
for each in "$work"/engine/storage/*-containers/* "$work"/engine/data/containers/*; do
  id=\${each##*/}
  [ \${#id} = 64 ] || continue
  while [ -n "$(find /sys/fs/cgroup -depth -type d -path "*$id*" -print -exec rmdir {} \\; 2>/dev/null)" ]; do later || break; done
done
until rm -rf --one-file-system "$work/engine" "$work/layers" "$work/site" 2>/dev/null; do later || break; done
[ -z "$docker" ] || { rm -f "$docker/key.json"; rmdir "$docker"; } 2>/dev/null
[ ! -f "$space/libpod/tmp/pause.pid" ] || kill "$(cat "$space/libpod/tmp/pause.pid")"
if [ -e "$work/abandoned" ]; then
  rm -rf --one-file-system "$work"
  # Podman writes there once more when it ends.
  [ -z "$space" ] || { while [ -e "/proc/$PPID" ]; do sleep 0.1; done; rm -rf --one-file-system "$space"; } &
else rm "$work/kept"; fi
exit "$status"`;

/**
 * Runs as the first process inside; the shell reaps what is left by others. All engines of a host keep names and locks below /run and in
 * /dev/shm, and docker a key in /etc/docker. In a user namespace, the root folder of the host belongs to nobody, and a site is refused
 * below it: the root folder becomes one in memory, with everything of the host in it and the folder of the rehearsal beside.
 */
const INSIDE_SCRIPT = `set -e
unset _CONTAINERS_USERNS_CONFIGURED _CONTAINERS_ROOTLESS_UID _CONTAINERS_ROOTLESS_GID
unset CONTAINERS_GRAPHROOT CONTAINERS_RUNROOT
work=$1; shift
mount -n -t tmpfs tmpfs /dev/shm
place() {
  if [ -L "$1" ]; then cp -P "$1" "$2"
  elif [ -d "$1" ]; then mkdir "$2" && mount -n --rbind "$1" "$2"
  else : >"$2" && mount -n --bind "$1" "$2"
  fi || :
}
new=/dev/shm/new
mkdir "$new"
mount -n -t tmpfs -o mode=755 tmpfs "$new"
for each in /run/*; do
  case \${each##*/} in containers | libpod | netns | netavark | runc | crun | docker* | containerd | xtables.lock) continue ;; esac
  place "$each" "$new/\${each##*/}"
done
mkdir -p "$new/containers/upper" "$new/containers/work" "$new/netns" "$new/lock"
mount -n --move "$new" /run
if [ -d /etc/docker ]; then
  mount -n -t overlay overlay -o lowerdir=/etc/docker,upperdir=/run/containers/upper,workdir=/run/containers/work /etc/docker
fi
if [ -n "$${UNPRIVILEGED}" ]; then
  mount -n -t tmpfs -o mode=755 tmpfs "$new"
  for each in /*; do place "$each" "$new$each"; done
  mkdir "$new${ROOT_OF_UNPRIVILEGED}" "$new/.old"
  mount -n --bind "$work" "$new${ROOT_OF_UNPRIVILEGED}"
  cd "$new"
  pivot_root . .old
  cd /
  umount -n -l /.old
  rmdir /.old
  [ ! -d /var/lib/containers ] || mount -n -t tmpfs tmpfs /var/lib/containers
  settings=$HOME/.config/containers/containers.conf
  [ -n "$CONTAINERS_CONF" ] || [ ! -f "$settings" ] || export CONTAINERS_CONF="$settings"
  export XDG_RUNTIME_DIR=/run/containers
fi
set +e
"$@"`;

/** What makes and fills the sealed network. */
const PROGRAMS = ['unshare', 'mount', 'ip', 'nft'];
const OF_TARGET: Readonly<Record<SealedTarget, readonly string[]>> = {
  podman: ['podman'],
  docker: ['docker', 'dockerd', 'iptables'],
};

/** @throws StowageError `host-unfit` */
export async function requireSealable(
  target: SealedTarget,
  { env, unprivileged }: { readonly env: Environment; readonly unprivileged: boolean },
): Promise<void> {
  if (unprivileged && target === 'docker')
    throw new StowageError('host-unfit', 'a rehearsal on docker needs root', {
      expected: 'root, who can run a docker daemon in a sealed network',
      found: 'another user',
      hint: 'run the command as root, or rehearse with --target podman, which needs no root',
    });
  const needed = [
    ...[...PROGRAMS, ...OF_TARGET[target]],
    ...(unprivileged ? ['newuidmap', 'newgidmap'] : []),
  ];
  const found = await Promise.all(needed.map((each) => programPath(each, withSbin(env))));
  const missing = needed.filter((_, index) => found[index] === undefined);
  if (missing.length === 0) return;
  throw new StowageError('host-unfit', 'this host cannot make a sealed network', {
    expected: needed.join(', '),
    found: `no ${missing.join(', no ')}`,
    hint: `install the packages util-linux, iproute2, nftables and ${target === 'podman' ? 'podman' : 'docker.io and iptables'}${unprivileged ? ', and uidmap or shadow-utils' : ''}`,
  });
}

function withSbin(env: Environment): Environment {
  return { ...env, PATH: `${env['PATH'] ?? ''}:/usr/sbin:/sbin` };
}
