#!/usr/bin/env bash
# Runs an image as the README and config/compose.yaml say, and looks from outside: scripts/image_run.sh IMAGE FOLDER
#
# scripts/image.sh calls this in a network namespace of its own, with the settings of its containers, and packages of clients
# in CLIENTS.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

image=$1
work=$2
state=/var/lib/certstream-server
# Of config/compose.yaml, but where this machine allows fewer files. podman's own limit of processes may be refused, too.
files=65536
[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge "$files" ] || files=$(ulimit -Hn)
restrictions=(--read-only --cap-drop ALL --security-opt no-new-privileges --ulimit "nofile=$files:$files"
  --ulimit nproc=4096:4096)

# show_log NAME: of a container, for what failed.
show_log() {
  server_log=$work/$1.log
  podman logs "$1" >"$server_log" 2>&1 || true
}

# process NAME: the id of its first process, on this machine.
process() {
  podman inspect --format '{{.State.Pid}}' "$1"
}

# property NAME FIELD: of that process, as the kernel has it.
property() {
  awk -v field="$2:" '$1 == field { print $2 }' "/proc/$(process "$1")/status"
}

# confined NAME: neither root nor able to become it, and nothing but the state can be written.
confined() {
  [ "$(property "$1" Uid)" = 10001 ] && [ "$(property "$1" Gid)" = 10001 ] || fail "$1 runs as $(property "$1" Uid)"
  [ "$(property "$1" CapEff)" = 0000000000000000 ] || fail "$1 has capabilities: $(property "$1" CapEff)"
  [ "$(property "$1" CapBnd)" = 0000000000000000 ] || fail "$1 can get capabilities: $(property "$1" CapBnd)"
  [ "$(property "$1" NoNewPrivs)" = 1 ] || fail "$1 can gain privileges"
  ! podman exec "$1" touch /written 2>/dev/null || fail "the root of $1 can be written"
  podman exec "$1" touch "$state/written" || fail "the state of $1 cannot be written"
  podman exec "$1" rm "$state/written"
}

healthy() {
  podman healthcheck run "$1" >/dev/null 2>&1 &&
    [ "$(podman inspect --format '{{.State.Health.Status}}' "$1" 2>/dev/null ||
      podman inspect --format '{{.State.Healthcheck.Status}}' "$1")" = healthy ]
}

becomes_healthy() {
  local begin=$SECONDS
  wait_for 30 healthy "$1" || { show_log "$1"; fail "$1 is not healthy"; }
  echo "$1: healthy after $((SECONDS - begin)) s"
}

# stop NAME: SIGTERM, as Docker sends it.
stop() {
  local begin=$EPOCHREALTIME status
  podman stop --time 20 "$1" >/dev/null
  status=$(podman inspect --format '{{.State.ExitCode}}' "$1")
  show_log "$1"
  [ "$status" = 0 ] || fail "$1: exit status $status after SIGTERM"
  awk -v name="$1" -v begin="$begin" -v end="$EPOCHREALTIME" 'BEGIN {
    printf "%s: ended with status 0, %.1f s after SIGTERM\n", name, end - begin
    exit end - begin > 10
  }' || fail "$1 took too long to end"
  podman rm "$1" >/dev/null
}

# has PATH TEXT PORT: whether the response has this text. All of it is read, else curl would fail.
has() {
  curl -sf -H 'Accept: text/html' "http://127.0.0.1:$3$1" | grep "$2" >/dev/null
}

has_entries() {
  has /latest.json '"all_domains"' "$1"
}

# start_server_container: it watches the demo's logs, in the demo's network, and keeps its state in a volume.
start_server_container() {
  podman run --detach --pull never --name server --network container:demo --env PORT=8081 \
    --env CERTSTREAM_LOG_LIST_ENABLED=false --volume state:"$state" \
    --volume "$work/certstream.toml:/etc/certstream-server/certstream.toml:ro" "${restrictions[@]}" "$image" >/dev/null
  becomes_healthy server
}

journal() {
  curl -sf 'http://127.0.0.1:8081/ndjson?stream=lite&follow=0' >"$1" || fail "/ndjson does not answer"
}

has_grown() {
  journal "$work/after"
  [ "$(wc -l <"$work/after")" -gt $(($(wc -l <"$work/before") + 50)) ]
}

# Those that a failure has left, here, where their network is.
trap 'podman rm --force --ignore --time 1 server demo >/dev/null 2>&1; clean_up' EXIT
ip link set lo up
podman run --detach --pull never --name demo --publish 8080:8080 --publish 8081:8081 "${restrictions[@]}" \
  "$image" demo --rate 50 >/dev/null
becomes_healthy demo
confined demo
wait_for 20 has_entries 8080 || { show_log demo; fail "/latest.json has no entries"; }
has / '<title>' 8080 || fail "the page is not there"
PYTHONDONTWRITEBYTECODE=1 "$CLIENTS/venv/bin/python" scripts/smoke_websockets.py ws://127.0.0.1:8080/ 12 ||
  fail "a client missed messages"

# The configuration is the one of the image, with these logs in addition.
{
  podman run --rm --pull never --network none --entrypoint cat "$image" /etc/certstream-server/certstream.toml
  curl -sf http://127.0.0.1:8080/status.json | python3 -c '
import json, sys
for log in json.load(sys.stdin)["logs"]:
    print("[[logs]]\nurl = \"%s\"\ntype = \"%s\"\nstart = 0" % (log["url"], log["protocol"]))
'
} >"$work/certstream.toml"
chmod 644 "$work/certstream.toml"
start_server_container
confined server
wait_for 20 has_entries 8081 || { show_log server; fail "the server has no entries"; }
journal "$work/before"
stop server
start_server_container
wait_for 30 has_grown || { show_log server; fail "no entries after the restart"; }
python3 scripts/image_journal.py "$work/before" "$work/after" || fail "the state did not survive the restart"
stop server
stop demo
