#!/bin/bash
# Installs the Debian packages that the demo and the end-to-end tests need and this machine lacks.
set -euo pipefail

# What must be there, the package that brings it, and what for.
needs=(
  'podman                   podman                      runs the containers'
  'newuidmap                uidmap                      gives users without rights ids of their own'
  'runc                     runc                        starts them, on cgroup v1 too'
  'catatonit                catatonit                   is the init of pods'
  '/usr/lib/podman/netavark     netavark                gives containers a network'
  '/usr/lib/podman/aardvark-dns aardvark-dns            and the names of one another in it'
  'dockerd                  docker.io                   runs the containers of docker'
  'busybox                  busybox-static              serves and asks inside of them'
  'iptables                 iptables                    publishes their ports'
  'skopeo                   skopeo                      copies images'
  'docker-registry          docker-registry             is the registry upstream'
  'softhsm2-util            softhsm2                    holds keys as a token does'
  'pkcs11-tool              opensc                      has tokens sign'
  'openssl                  openssl                     checks signatures by hand'
  'ip                       iproute2                    sets up the air gap'
  '/lib/systemd/systemd     systemd                     runs the simulated host'
  'dbus-daemon              dbus                        has its parts talk to one another'
  'curl                     curl                        asks on it'
  'unshare                  util-linux                  makes the air gap'
  'x86_64-linux-gnu-strip   binutils-x86-64-linux-gnu   strips the installer for x64, and reads both'
  'aarch64-linux-gnu-strip  binutils-aarch64-linux-gnu  strips the installer for arm64'
  'qemu-aarch64-static      qemu-user-static            runs it'
  '/usr/aarch64-linux-gnu/lib/libc.so.6      libc6-arm64-cross      is its C library'
  '/usr/aarch64-linux-gnu/lib/libstdc++.so.6 libstdc++6-arm64-cross is its C++ library'
  '/usr/lib/python3.11/ensurepip python3-venv           makes environments for clients in Python'
  'strace                   strace                      sees what the installer opens and starts'
  'mkfs.vfat                dosfstools                  makes FAT media'
  'fusefat                  fusefat                     mounts them'
  'mcopy                    mtools                      writes and reads them'
  'mkfs.exfat               exfatprogs                  makes exFAT media'
  'mount.exfat-fuse         exfat-fuse                  mounts them'
  'xorriso                  xorriso                     makes ISO images'
  'fuseiso                  fuseiso                     mounts them'
  'mkfs.xfs                 xfsprogs                    makes xfs media'
  'mkfs.ext4                e2fsprogs                   makes ext4 media'
  'nbdkit                   nbdkit                      is a drive with bad sectors, or one that is pulled'
  '/usr/lib/x86_64-linux-gnu/libgomp.so.1 libgomp1      is a library of llama-server'
  'chromium                 chromium                    shows the page of the depot'
  'containerd               containerd                  pulls from the depot'
  'nginx                    nginx-light                 stands beside the depot in the benchmark'
  'nbdfuse                  libnbd-bin                  makes a file of it'
  'zsh                      zsh                         completes commands'
  'fish                     fish                        completes them, too'
  'groff                    groff-base                  shows the page of the manual'
  'mandoc                   mandoc                      checks it'
  'faketime                 faketime                    shifts the clock of tests'
  '/usr/share/i18n/locales/tr_TR locales                has a language that is not English'
  'go                       golang-go                   builds clients that are written in it'
  'git                      git                         holds the files that are locked from repositories'
  '/usr/lib/cni/bridge      containernetworking-plugins gives the pods of the cluster a network'
  'nft                      nftables                    forwards to their services'
  'ps                       procps                      lists what runs on the simulated host'
  'mount                    mount                       mounts media'
)

PATH=$PATH:/usr/sbin:/sbin:/usr/local/go/bin
missing=() reasons=()
for need in "${needs[@]}"; do
  read -r file package reason <<<"$need"
  if ! [[ $file == /* && -e $file ]] && ! command -v "$file" >/dev/null; then
    missing+=("$package")
    reasons+=("$package ($reason)")
  fi
done
[ ${#missing[@]} -gt 0 ] || exit 0

install=(apt-get install -y --no-install-recommends "${missing[@]}")
list=$(printf ', %s' "${reasons[@]}")
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "missing Debian packages: ${list:2}" >&2
  echo "install them as root: apt-get update && ${install[*]}" >&2
  exit 1
fi
echo "installing Debian packages: ${list:2}" >&2
export DEBIAN_FRONTEND=noninteractive

# Debian's docker-registry would start itself, open to the network: only the copies that the lab starts are wanted.
registry_unit() { [ ! -d /run/systemd/system ] || systemctl --quiet "$1" docker-registry.service || true; }
new_registry=false
[[ " ${missing[*]} " != *' docker-registry '* ]] || new_registry=true
! $new_registry || registry_unit mask
"${install[@]}" >/dev/null 2>&1 || { apt-get update -q >/dev/null && "${install[@]}" >/dev/null; }
! $new_registry || { registry_unit unmask && registry_unit disable; }
