#!/usr/bin/env bash
# Builds the image from the Dockerfile and runs it as the README and config/compose.yaml say: scripts/image.sh
#
# As root on Debian 12 or later; ten minutes on 2 cores, and 8 GB of disk until it ends. buildah, podman and runc take the
# place of Docker and are installed where they are missing. Where no registry of images can be reached, the base images are
# made here: of Debian's packages, and of this machine's Rust toolchain. Containers run in a network namespace that ends with
# the script, so port 8080 of this machine may be in use.
#
# FEATURES   features of the program, as in the Dockerfile; by default those that it names
# MIRROR     the mirror of Debian; by default that of debootstrap
# CLIENTS    folder for the packages of clients, kept and used again when given; a temporary one
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

image=localhost/certstream-server:test

install_what_is_missing() {
  local packages=() command
  for command in buildah podman runc debootstrap curl; do
    command -v "$command" >/dev/null || packages+=("$command")
  done
  command -v ip >/dev/null || packages+=(iproute2)
  command -v iptables >/dev/null || packages+=(iptables) # for published ports
  [ -x /usr/lib/podman/netavark ] || packages+=(netavark)
  python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
  if [ ${#packages[@]} -gt 0 ]; then
    echo "installing ${packages[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  fi
}

# Images, containers and volumes are kept in the temporary folder alone.
configure_containers() {
  export CONTAINERS_CONF=$work/containers.conf CONTAINERS_STORAGE_CONF=$work/storage.conf
  export DISABLE_HC_SYSTEMD=true # health checks run when this script says so
  # runc accepts both versions of control groups, and this way it needs no systemd. Root may not be allowed to raise limits,
  # and podman's own are high.
  cat >"$CONTAINERS_CONF" <<END_OF_FILE
[containers]
default_ulimits = ["nofile=$(ulimit -Hn):$(ulimit -Hn)", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "$work/tmp"
[engine.runtimes]
runc = ["$(command -v runc)"]
[network]
network_backend = "netavark"
network_config_dir = "$work/networks"
END_OF_FILE
  store_with overlay
  # Where this is a container itself, overlays may be refused.
  buildah info >/dev/null 2>&1 || store_with vfs
}

store_with() {
  printf '[storage]\ndriver = "%s"\ngraphroot = "%s"\nrunroot = "%s"\n' "$1" "$work/$1" "$work/run" \
    >"$CONTAINERS_STORAGE_CONF"
}

# The storage has mounts of its own, which removing its folder would fail at.
release_containers() {
  podman rm --force --all --time 1 >/dev/null 2>&1 || true
  buildah rm --all >/dev/null 2>&1 || true
  umount --lazy "$work"/overlay "$work"/vfs 2>/dev/null || true
}

# in_container COMMAND...: runs it in the working container.
in_container() {
  buildah run --isolation chroot "$container" -- "$@"
}

# make_debian_image SUITE NAME
make_debian_image() {
  debootstrap --variant=minbase "$1" "$work/debian" ${MIRROR:+"$MIRROR"} >"$work/debootstrap.log" ||
    fail "debootstrap: $(tail -n 3 "$work/debootstrap.log")"
  rm -rf "$work"/debian/var/cache/apt/archives/*.deb "$work"/debian/var/lib/apt/lists/*
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$work/debian" / >/dev/null
  buildah config --cmd bash "$container"
  buildah commit --quiet --rm "$container" "$2" >/dev/null
  rm -rf "$work/debian"
}

# make_rust_image DEBIAN NAME
make_rust_image() {
  local toolchain
  toolchain=$(rustc --print sysroot)
  [ -x "$toolchain/bin/cargo" ] && [ "$toolchain" != /usr ] || fail "a Rust toolchain from rustup is needed"
  container=$(buildah from --pull-never "$1")
  in_container apt-get update -qq
  in_container env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    build-essential ca-certificates perl >"$work/apt.log" 2>&1 || fail "apt-get: $(tail -n 3 "$work/apt.log")"
  buildah add --quiet "$container" "$toolchain/bin" /usr/local/cargo/bin >/dev/null
  buildah add --quiet "$container" "$toolchain/lib" /usr/local/cargo/lib >/dev/null
  # Those with which this machine reaches the registry of crates.
  buildah add --quiet "$container" /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt >/dev/null
  buildah config --env CARGO_HOME=/usr/local/cargo --env PATH=/usr/local/cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah commit --quiet --rm "$container" "$2" >/dev/null
}

# Those of a registry, or ours in their place.
provide_base_images() {
  local bases debian rust suite
  mapfile -t bases < <(sed -n 's/^FROM \([^ ]*\).*/\1/p' Dockerfile)
  debian=docker.io/library/${bases[1]}
  rust=docker.io/library/${bases[0]}
  [[ "${#bases[@]}" = 2 && "$debian" = */debian:*-slim && "$rust" = */rust:* ]] ||
    fail "the Dockerfile begins with other images: ${bases[*]}"
  if timeout 120 buildah pull --quiet "$debian" >/dev/null 2>"$work/pull.log"; then
    echo "base images: those of the registry"
    return
  fi
  echo "base images: made here, because no registry of images can be reached ($(sed -n '$s/.*: //p' "$work/pull.log"))"
  suite=${debian##*:}
  make_debian_image "${suite%-slim}" "$debian"
  make_rust_image "$debian" "$rust"
  echo "  $rust has $(rustc --version)"
}

build_image() {
  local begin=$SECONDS
  buildah bud --isolation chroot --format docker --layers ${FEATURES+--build-arg "FEATURES=$FEATURES"} --tag "$image" . \
    >"$work/build.log" 2>&1 </dev/null || fail "the build: $(tail -n 20 "$work/build.log")"
  echo "built in $((SECONDS - begin)) s; $(podman image inspect --format '{{.Size}}' "$image" |
    awk '{ printf "%.0f MB", $1 / 1e6 }'), of which the program $(program_size)"
}

program_size() {
  podman run --rm --pull never --network none --entrypoint stat "$image" --format %s /usr/local/bin/certstream-server |
    awk '{ printf "%.1f MB", $1 / 1e6 }'
}

[ "$(id -u)" = 0 ] || fail "only root can build and run images here"
temporary_folder work
install_what_is_missing
install_python_clients "${CLIENTS:-$work/clients}"
configure_containers
trap 'release_containers; clean_up' EXIT
provide_base_images
build_image
CLIENTS=$clients unshare --net scripts/image_run.sh "$image" "$work"
