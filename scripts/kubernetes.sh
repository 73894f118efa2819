#!/usr/bin/env bash
# Checks config/kubernetes: scripts/kubernetes.sh
#
# As root, without a cluster and without the image. The manifests are rendered with kubectl and held against the schemas of
# Kubernetes, also with each of their members misspelt, which must be refused. Every configuration must be accepted by the
# program. Then all pods are started as the manifests say, in network and mount namespaces of their own: with their commands,
# variables, users, volumes and read-only roots, and with the demo's logs. Their probes must succeed, the ports that they name
# must be those that are listened on, clients must receive entries, and SIGTERM must end them in time.
#
# SERVER        a binary with clusters; target/debug/certstream-server
# NATS_SERVER   the engine, nats-server; the one in PATH
# CLIENTS       folder for Python packages, kept and used again when given; a temporary one
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

server=${SERVER:-${CARGO_TARGET_DIR:-target}/debug/certstream-server}
nats=$(command -v "${NATS_SERVER:-nats-server}") || fail "there is no nats-server"
temporary_folder work
packages=${CLIENTS:-$work/clients}/kubernetes
install_kubernetes_schemas "$packages"
export PYTHONDONTWRITEBYTECODE=1

# in_namespaces COMMAND...: what is started ends with them, and so do mounts.
in_namespaces() {
  unshare --net --mount --pid --fork --kill-child --mount-proc "$@"
}

# Containers are often not allowed to.
runs_pods=
if in_namespaces sh -c 'ip link add probe type bridge && mount -t tmpfs none /mnt' >"$work/probe.log" 2>&1; then
  runs_pods=1
else
  echo "SKIPPED: pods cannot be started here: $(head -n 1 "$work/probe.log")"
fi

# check NAME: that kustomization, and then its pods.
check() {
  local config
  kubectl kustomize "config/kubernetes/$1" >"$work/$1.yaml" || fail "config/kubernetes/$1 cannot be rendered"
  "$packages/bin/python" scripts/kubernetes_check.py "$work" "$1" || fail "the manifests of $1: see above"
  for config in "$work/$1"-*.toml; do
    "$server" check-config --config "$config" >"$config.checked" 2>&1 || fail "$(basename "$config"): $(cat "$config.checked")"
  done
  [ -n "$runs_pods" ] || return 0
  in_namespaces "$packages/bin/python" scripts/kubernetes_run.py "$work/$1.yaml" "$server" "$nats" "$work" ||
    fail "the pods of $1: see above"
}

checks=()
for kustomization in server cluster; do
  (trap - EXIT && check "$kustomization") &
  checks+=($!)
  started+=($!)
done
failed=0
for pid in "${checks[@]}"; do
  wait "$pid" || failed=1
done
[ "$failed" = 0 ] || exit 1
echo "passed: the manifests are valid${runs_pods:+, and their pods run}"
