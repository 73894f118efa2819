#!/usr/bin/env bash
# The demo, heard with clients that know nothing of this server: scripts/smoke.sh [SECONDS]
#
# Starts `certstream-server demo` on a free port. The `certstream` packages of Python and npm and a plain
# WebSocket client listen for SECONDS (12) at the same time; none may miss a message or lose its connection.
# Then SIGTERM must end the demo with exit status 0 within 10 s, though one more client never answers.
#
# SERVER   the binary; target/release/certstream-server
# CLIENTS  folder for the client packages, kept and used again when given; a temporary one
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

seconds=${1:-12}
server=${SERVER:-target/release/certstream-server}
temporary_folder work
install_clients "${CLIENTS:-$work/clients}"

start_server "$server" demo
echo "demo at http://$address/, listening for $seconds s"

# One more that asks for the stream, reads nothing and never says goodbye: it must not delay the end.
exec {silent}<>"/dev/tcp/${address%:*}/${address#*:}"
printf '%s\r\n' 'GET / HTTP/1.1' "Host: $address" 'Upgrade: websocket' 'Connection: Upgrade' \
  'Sec-WebSocket-Version: 13' 'Sec-WebSocket-Key: c21va2UgdGVzdCBrZXkhIQ==' '' >&"$silent"

listeners=()
PYTHONDONTWRITEBYTECODE=1 "$clients/venv/bin/python" scripts/smoke_certstream.py "ws://$address/" "$seconds" &
listeners+=($!)
PYTHONDONTWRITEBYTECODE=1 "$clients/venv/bin/python" scripts/smoke_websockets.py "ws://$address/" "$seconds" &
listeners+=($!)
NODE_PATH="$clients/node_modules" node scripts/smoke_certstream.js "ws://$address/" "$seconds" &
listeners+=($!)

failed=0
for listener in "${listeners[@]}"; do
  wait "$listener" || failed=1
done
[ "$failed" = 0 ] || fail "a client missed messages or lost its connection; its line above says which"

stop_server
echo "passed: 3 clients for $seconds s, and the demo ended within ${stopped_in}s of SIGTERM"
