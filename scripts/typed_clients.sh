#!/usr/bin/env bash
# Clients that do what certstream-go and certstream-java do: scripts/typed_clients.sh
#
# A demo has the logs, and a second server watches them, with a heartbeat every 3 s. The clients receive the full stream, ask
# for each member with the type that the library or its documentation has for it, and the server is restarted meanwhile. One of
# the clients in Java, and the server, have config/proxy/haproxy.cfg between them.
#
# The libraries themselves are not run: certstream-go is at the Go module proxy alone, and has a fixed address; certstream-java is
# at JitPack, and its Java-WebSocket at Maven Central. Debian has gorilla/websocket and Gson, which they use.
#
# SERVER   the binary; target/release/certstream-server
# CLIENTS  folder for what is built, kept and used again when given; a temporary one
# Needs go with golang-github-gorilla-websocket-dev, java with libgoogle-gson-java, and haproxy.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

server=${SERVER:-target/release/certstream-server}
gson=/usr/share/java/gson.jar
temporary_folder work
[ -r "$gson" ] || fail "$gson is needed"
command -v haproxy >/dev/null || fail "haproxy is needed"
echo "certstream-go and certstream-java are not to be had here; clients of our own do what they do"

javac -d "$work/java" -cp "$gson" scripts/smoke_certstream.java
build_go "${CLIENTS:-$work}" "$work/smoke_certstream" scripts/smoke_certstream.go

start_server "$server" demo --rate 100
{
  printf '[heartbeat]\ninterval = "3s"\n[access]\ntrusted_proxies = ["127.0.0.1"]\n'
  configure_logs "$work/state"
} >"$work/certstream.toml"
start_server "$server" --config "$work/certstream.toml"
port=${address##*:}

proxy=127.0.0.1:$(free_port)
sed -e "s/bind :80/bind $proxy/" -e "s/127.0.0.1:8080/$address/" config/proxy/haproxy.cfg >"$work/haproxy.cfg"
haproxy -db -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 </dev/null &
started+=($!)
answers() {
  curl -sf -o /dev/null "http://$proxy/health"
}
wait_for 20 answers || fail "haproxy does not answer: $(cat "$work/haproxy.log")"

seconds=30
listeners=()
"$work/smoke_certstream" "ws://$address/" "$seconds" &
listeners+=($!)
java -XX:TieredStopAtLevel=1 -cp "$work/java:$gson" Main "ws://$address/" "ws://$proxy/" "$seconds" &
listeners+=($!)
started+=("${listeners[@]}")
all_listen() {
  curl -sf "http://$address/stats" | jq -e '.connected_client_count == 3' >/dev/null
}
wait_for 20 all_listen || fail "not all clients are connected"
sleep 11
stop_server
# The client in Go tries again after 5 s, and the proxy tries for 3 s. Both come back within clients.restart_grace.
sleep 1
start_server env PORT="$port" "$server" --config "$work/certstream.toml"

failed=0
for listener in "${listeners[@]}"; do
  wait "$listener" || failed=1
done
[ "$failed" = 0 ] || fail "a client has found a fault; its line above says which"
echo "passed: clients as certstream-go and certstream-java, over a restart"
