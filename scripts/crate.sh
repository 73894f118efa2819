#!/usr/bin/env bash
# Packs the crate, and installs and runs it from there: scripts/crate.sh
#
# What `cargo publish` would give to others is unpacked in an empty folder, installed with `cargo install`, and started. It
# must be complete, without warnings, and without what nobody needs there. Packs the last commit, so commit before. Takes ten
# minutes on 2 cores.
#
# CLIENTS   folder for the packages of clients, kept and used again when given; a temporary one
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

# without_warnings COMMAND...: of cargo.
without_warnings() {
  "$@" 2>"$work/cargo.log" || fail "$*: $(tail -n 20 "$work/cargo.log")"
  ! grep -A5 '^warning' "$work/cargo.log" >&2 || fail "$* has warnings"
}

# check_listing: beside the sources, what the build, the tests, the image and the README need.
check_listing() {
  local others
  others=$(cd "$crate" && find . -type f | sed 's,^\./,,' |
    grep -vE '^(src|templates|benches|tests|docs|config/(cluster|grafana|kubernetes|prometheus|systemd))/' | sort | tr '\n' ' ')
  [ "$others" = "$(echo .cargo_vcs_info.json .dockerignore CHANGELOG.md CONTRIBUTING.md Cargo.lock Cargo.toml Cargo.toml.orig \
    Dockerfile LICENSE README.md config/certstream.toml config/compose.yaml deny.toml '')" ] || fail "it has $others"
  (cd "$crate" && python3 "$OLDPWD/scripts/release_links.py") || fail "the documentation has dead links"
}

temporary_folder work
install_python_clients "${CLIENTS:-$work/clients}"
without_warnings cargo package --locked --no-verify --target-dir "$work/packed"
packed=$(echo "$work"/packed/package/*.crate)
tar --extract --file "$packed" --directory "$work"
crate=$work/$(basename "$packed" .crate)
export LC_ALL=C
check_listing

begin=$SECONDS
# Cargo warns where the folder of programs is not in PATH.
PATH=$PATH:$work/installed/bin without_warnings cargo install --locked --path "$crate" --root "$work/installed" \
  --target-dir "$work/built" --no-track
echo "installed in $((SECONDS - begin)) s"
cd "$work/installed" # where there is nothing of the sources
bin/certstream-server --version
start_server bin/certstream-server demo
cd "$OLDPWD"
PYTHONDONTWRITEBYTECODE=1 "$clients/venv/bin/python" scripts/smoke_websockets.py "ws://$address/" 12 ||
  fail "a client missed messages"
stop_server
echo "passed: $(basename "$packed"), $(tar --list --file "$packed" | wc -l) files, $(du -h "$packed" | cut -f 1)"
