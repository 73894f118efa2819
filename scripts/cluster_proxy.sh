#!/usr/bin/env bash
# Tests config/cluster/haproxy.cfg with Debian's haproxy: scripts/cluster_proxy.sh [SECONDS]
#
# Two demos take the place of the edges; only their addresses and the proxy's are changed in the file. For SECONDS (76),
# clients of each wire receive everything, or nothing but heartbeats, and none may lose its connection. Then one edge is
# killed, and its clients must come back to the other. An edge that is alive and not ready gets clients only if there is no
# other.
#
# SERVER   the binary; target/release/certstream-server
# CLIENTS  folder for the client packages, kept and used again when given; a temporary one
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

seconds=${1:-76}
server=${SERVER:-target/release/certstream-server}
config=config/cluster/haproxy.cfg
temporary_folder work
install_clients "${CLIENTS:-$work/clients}"
command -v haproxy >/dev/null || fail "haproxy is needed"

# run COMMAND ARGUMENTS...: of cluster_proxy.py.
run() {
  PYTHONDONTWRITEBYTECODE=1 "$clients/venv/bin/python" scripts/cluster_proxy.py "$@"
}

# status_of PATH ADDRESS [OPTIONS...]: of a request through the proxy from an address of this machine.
status_of() {
  curl -s -o /dev/null -w '%{http_code}' --interface "$2" "${@:3}" "http://$proxy$1"
}

# whose: the log that the server behind the proxy watches.
whose() {
  curl -sf "http://$proxy/status.json" | sed -n 's/.*"logs":\[{[^}]*"url":"\([^"]*\)".*/\1/p'
}

is_up() {
  [ "$(status_of /health/ready 127.0.0.1)" = 200 ]
}

served_by_unready() {
  [ "$(whose)" = "$unready_log" ]
}

# The edges take the clients' addresses from the proxy, and refuse one of them.
cat >"$work/edge.toml" <<'END_OF_FILE'
[access]
trusted_proxies = ["127.0.0.1"]
deny = ["127.0.0.66"]
END_OF_FILE
edges=()
pids=()
for _ in 1 2; do
  start_server "$server" demo --config "$work/edge.toml"
  disown "$server_pid" # else the shell tells that it was killed
  edges+=("$address")
  pids+=("$server_pid")
done

proxy=127.0.0.1:$(free_port)
sed -e "s/bind :8080/bind $proxy/" -e "s/edge-1:8080/${edges[0]}/" -e "s/edge-2:8080/${edges[1]}/" "$config" \
  >"$work/haproxy.cfg"
[ "$(diff "$config" "$work/haproxy.cfg" | grep -c '^>')" = 5 ] || fail "$config does not have the expected addresses"
server_log=$work/haproxy.log
haproxy -db -f "$work/haproxy.cfg" >"$server_log" 2>&1 </dev/null &
started+=($!)
wait_for 20 is_up || fail "the proxy does not answer"

# The edge sees the client's address, and a client cannot claim another.
[ "$(status_of /latest.json 127.0.0.67)" = 200 ] || fail "a client is refused"
[ "$(status_of /latest.json 127.0.0.66)" = 403 ] || fail "the edges do not see the clients' addresses"
[ "$(status_of /latest.json 127.0.0.66 -H 'X-Forwarded-For: 127.0.0.67')" = 403 ] || fail "a client can claim an address"

run listen "$proxy" "$seconds" || fail "a client missed messages or lost its connection; its line above says which"

run back "$proxy" "${edges[0]}=${pids[0]}" "${edges[1]}=${pids[1]}" || fail "see above"
alive=0 dead=1
kill -0 "${pids[0]}" 2>/dev/null || alive=1 dead=0

# At the killed edge's address, one that is alive, but never ready: nothing listens where its log should be.
unready_log=http://127.0.0.1:1
printf '[log_list]\nenabled = false\n[state]\ndir = "%s/state"\n[[logs]]\nurl = "%s"\ntype = "rfc6962"\n' \
  "$work" "$unready_log" >"$work/unready.toml"
haproxy_log=$server_log
start_server env PORT="${edges[dead]##*:}" "$server" --config "$work/unready.toml"
server_log=$haproxy_log
wait_for 10 grep -q "ready/edge-$((dead + 1)) is DOWN.* code: 503" "$server_log" || fail "the proxy does not ask whether an edge is ready"
for _ in 1 2 3 4 5 6; do
  ! served_by_unready || fail "an edge that is not ready gets clients"
done
kill -KILL "${pids[alive]}"
wait_for 10 served_by_unready || fail "no client gets to the edge that is alive"

echo "passed: $seconds s through the proxy, an edge killed, and one that is not ready"
