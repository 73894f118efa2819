#!/usr/bin/env bash
# Checks config/kubernetes: scripts/kubernetes.sh
#
# As root, without a cluster and without the image. The manifests are rendered with kubectl and held against the schemas of
# Kubernetes, also with each of their members misspelt, which must be refused. Every configuration must be accepted by the
# program. Then all pods are started as the manifests say, in network and mount namespaces of their own: with their
# commands, variables, users, volumes and read-only roots, and with the demo's logs. Their probes must succeed, the ports that
# they name must be those that are listened on, clients must receive entries, and SIGTERM must end them in time.
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
if [ ! -x "$packages/bin/kubernetes-validate" ]; then
  python3 -m venv "$packages"
  "$packages/bin/pip" install --quiet --disable-pip-version-check kubernetes-validate==1.37.0
fi
export PYTHONDONTWRITEBYTECODE=1

for kustomization in server cluster; do
  kubectl kustomize "config/kubernetes/$kustomization" >"$work/$kustomization.yaml" ||
    fail "config/kubernetes/$kustomization cannot be rendered"
done
"$packages/bin/python" scripts/kubernetes_check.py "$work" server cluster || fail "see above"
for config in "$work"/*.toml; do
  "$server" check-config --config "$config" >"$work/checked" 2>&1 || fail "$(basename "$config"): $(cat "$work/checked")"
done
# The namespaces of this script end with it, and so do their mounts.
for kustomization in server cluster; do
  unshare --net --mount "$packages/bin/python" scripts/kubernetes_run.py "$work/$kustomization.yaml" "$server" "$nats" "$work" ||
    fail "see above"
done
echo "passed: the manifests are valid, and their pods run"
