#!/usr/bin/env bash
# Compares our messages with recorded ones, field by field: scripts/conformance.sh CORPUS [MIN [MIN_COVERAGE]]
#
# A log server offers the entries of CORPUS (live, limbo, pyca, crafted) as they are, our server watches it, and
# what it sends is compared. MIN is the least share of fields that agree (1.0), MIN_COVERAGE that of the expected
# entries that arrive (1.0).
#
# SHARED       the folder with conformance/ and lab/, which is only read; ../shared
# SERVER       our binary; target/release/certstream-server
# LAB          the log server's binary; built from SHARED/lab into a temporary folder when not given
# RECEIVED     a folder for the messages of each stream, in CORPUS.STREAM.jsonl
# ALSO_IGNORE  fields not to be compared, comma-separated, beside those where we follow today's servers
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

[ $# -ge 1 ] || fail "usage: scripts/conformance.sh CORPUS [MIN [MIN_COVERAGE]]"
corpus=$1
min=${2:-1.0}
min_coverage=${3:-1.0}
shared=${SHARED:-../shared}
server=${SERVER:-target/release/certstream-server}
inputs=$(absolute "$shared/conformance/$corpus.inputs.jsonl.gz")
[ -r "$inputs" ] || fail "there is no corpus $inputs"
ignore='update_type,*.serial_number,cert_index,source.url,source.name'
ignore+=${ALSO_IGNORE:+,$ALSO_IGNORE}
temporary_folder work

lab=${LAB:-}
if [ -z "$lab" ]; then
  cp -R "$shared/lab" "$work/lab"
  chmod -R u+w "$work/lab"
  CARGO_TARGET_DIR="$work/target" cargo build --release --locked --quiet --manifest-path "$work/lab/Cargo.toml"
  lab=$work/target/release/lab
fi

log_address=127.0.0.1:$(free_port)
"$lab" log --as-is --corpus "$inputs" --start 0 --listen "$log_address" \
  >"$work/log.json" 2>"$work/log.err" </dev/null &
started+=($!)
wait_for 20 grep -q '"key"' "$work/log.json" || { cat "$work/log.err"; fail "the log did not start"; }
key=$(python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["key"])' <"$work/log.json")

cat >"$work/certstream.toml" <<END
[server]
listen = "127.0.0.1:0"
[log_list]
enabled = false
[state]
dir = "$work/state"
[[logs]]
url = "http://$log_address"
type = "rfc6962"
description = "Conformance"
operator = "Conformance"
key = "$key"
start = 0
END
start_server "$server" --config "$work/certstream.toml"

# The listener first: a stream has no past.
python3 -B "$shared/conformance/compare.py" "ws://$address/" --corpus "$corpus" --save "$work/received.jsonl" \
  --min 0 --timeout 120 --idle 5 </dev/null >"$work/received.txt" &
listener=$!
started+=("$listener")

ask() {
  python3 -c 'import sys, urllib.request
request = urllib.request.Request(sys.argv[2], method=sys.argv[1])
print(urllib.request.urlopen(request, timeout=10).read().decode())' "$@"
}
is_connected() {
  ask GET "http://$address/stats" | grep -q '"connected_client_count": *1'
}
wait_for 10 is_connected || fail "the listener did not connect"
entries=$(gzip -dc "$inputs" | wc -l)
ask POST "http://$log_address/lab/publish?n=$entries" >/dev/null

wait "$listener" || { cat "$work/received.txt"; fail "nothing was received"; }

if [ -n "${RECEIVED:-}" ]; then
  for stream in full lite domains; do
    ask GET "http://$address/ndjson?stream=$stream&notices=1&follow=0" >"$RECEIVED/$corpus.$stream.jsonl"
  done
fi

# The log numbers the entries anew; several have the same certificate, so they are told apart by their own number.
python3 - "$inputs" "$work/received.jsonl" >"$work/messages.jsonl" <<'END'
import gzip, json, sys
inputs = [json.loads(line) for line in gzip.open(sys.argv[1])]
for line in open(sys.argv[2]):
    message = json.loads(line)
    if message["message_type"] == "certificate_update":
        data = message["data"]
        entry = inputs[data["cert_index"]]
        data["cert_index"], data["source"]["name"] = entry["cert_index"], entry["log_name"]
        print(json.dumps(message))
END
python3 -B "$shared/conformance/compare.py" "$work/messages.jsonl" --corpus "$corpus" --fixes --ignore "$ignore" \
  --min "$min" --min-coverage "$min_coverage" --list-missing || fail "$corpus does not agree; see above"
undecodable=$(ask GET "http://$address/stats" | sed -n 's/.*"undecodable": *\([0-9]*\).*/\1/p')
stop_server
echo "passed: $corpus, $entries entries published, $undecodable of them undecodable"
