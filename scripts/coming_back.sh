#!/usr/bin/env bash
# The loops of the README's section "Coming back" miss nothing: scripts/coming_back.sh
#
# A demo has the logs, and a second server watches them. While the programs in Python, JavaScript and Go listen, that server is
# killed twice and stopped once. In the end each program must have printed every number of the journal, once and in order.
# The program in Go is built with Debian's golang-github-gorilla-websocket-dev.
#
# SERVER   the binary; target/release/certstream-server
# CLIENTS  folder for the client packages, kept and used again when given; a temporary one
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

server=${SERVER:-target/release/certstream-server}
temporary_folder work
install_clients "${CLIENTS:-$work/clients}"

# listen NAME COMMAND...
listen() {
  "${@:2}" >"$work/$1.out" 2>"$work/$1.log" </dev/null &
  started+=($!)
}

# restart SIGNAL: ends the server and starts it again after three seconds, at the same address.
restart() {
  { kill "-$1" "$server_pid" && wait "$server_pid"; } 2>/dev/null || true
  sleep 3
  start_server env PORT="$port" "$server" --config "$work/certstream.toml"
}

# Whether each program has printed the newest number of the journal.
have_all() {
  local newest name
  curl -sf "http://$address/ndjson?stream=lite&follow=0" >"$work/journal"
  newest=$(sed -n '$s/.*"seq":\([0-9]*\)}$/\1/p' "$work/journal")
  for name in python javascript go; do
    [ "$(tail -n 1 "$work/$name.out")" = "$newest" ] || return 1
  done
}

start_server "$server" demo --rate 300
logs_pid=$server_pid
configure_logs "$work/state" >"$work/certstream.toml"

start_server "$server" --config "$work/certstream.toml"
port=${address##*:}
python3 scripts/readme_loops.py make README.md "$work" "$address"
build_go "$clients" "$work/loop" "$work/loop.go"
listen python "$clients/venv/bin/python" "$work/loop.py"
NODE_PATH="$clients/node_modules" listen javascript node "$work/loop.js"
listen go "$work/loop"

sleep 4
for signal in KILL TERM KILL; do
  restart "$signal"
  sleep 4
done
kill -STOP "$logs_pid"
wait_for 30 have_all || echo "not all programs have printed the newest number"
python3 scripts/readme_loops.py check "$work/journal" "$work/python.out" "$work/javascript.out" "$work/go.out" ||
  fail "a program missed or repeated messages; $(tail -n 3 "$work"/*.log)"
echo "passed: three programs over two kills and a restart"
