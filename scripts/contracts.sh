#!/usr/bin/env bash
# The schemas and documents of src/routes/contracts, held against what is served: scripts/contracts.sh [RECEIVED]
#
# Validates the documents themselves; then everything that a demo with all faults sends on all streams and wires, what all
# routes answer, also to wrong requests, and the messages in the folder RECEIVED (conformance.sh has received them). No message
# may be valid when something of it is changed. Then types are generated from the schemas, in TypeScript and Go, and decode
# samples.
#
# SERVER    the binary; target/release/certstream-server
# CLIENTS   folder for the packages, kept and used again when given; a temporary one
# DURATION  seconds for which the streams are read; 20
# Needs python3, npm and go.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

server=${SERVER:-target/release/certstream-server}
contracts=$PWD/src/routes/contracts
received=()
[ $# -eq 0 ] || received=("$(absolute "$1")")
temporary_folder work
mkdir -p "${CLIENTS:-$work/clients}" "$work/samples" "$work/types"
tools=$(absolute "${CLIENTS:-$work/clients}")/contracts

install_python() {
  [ ! -x "$tools/venv/bin/openapi-spec-validator" ] || return 0
  python3 -m venv "$tools/venv"
  "$tools/venv/bin/pip" install --quiet --disable-pip-version-check jsonschema-rs==0.61.2 openapi-spec-validator==0.9.0 \
    websockets==17.4
}

# Versions that run with Node 18.
install_node() {
  [ ! -d "$tools/node_modules/quicktype" ] || return 0
  npm install --silent --no-audit --no-fund --prefix "$tools" @asyncapi/parser@3.6.6 json-schema-to-typescript@16.0.0 \
    quicktype@23.2.6 typescript@7.0.2
}

hook=$(free_port)
# The demo with faults has an admin, a filter and outputs; the other server has tokens, a log that does not answer, and
# shows its statistics to nobody.
cat >"$work/open.toml" <<END
[admin]
allow = ["127.0.0.0/8"]
[heartbeat]
interval = "3s"
[[filters]]
name = "brands"
lookalike = ["bramble.example"]
[[outputs]]
name = "files"
type = "file"
dir = "$work/files"
[[outputs]]
name = "hook"
type = "webhook"
url = "http://127.0.0.1:$hook/"
allow_internal = true
secret = "a secret for tests"
END
cat >"$work/closed.toml" <<'END'
[admin]
only = true
[log_list]
enabled = false
[[logs]]
url = "http://127.0.0.1:1"
type = "rfc6962"
[[filters]]
name = "brands"
domain = ["example"]
[[tokens]]
name = "lite"
token = "lite-token-for-tests"
streams = ["lite"]
connections = 1
[[tokens]]
name = "filtered"
token = "filtered-token-for-tests"
filter = "brands"
END

# types: generated, compiled, and used to decode the samples.
types() {
  local kind kinds=()
  node "$tools/contracts_types.mjs" "$contracts/schemas" "$work/samples" "$work/types"
  "$tools/node_modules/.bin/tsc" --noEmit --strict --target es2022 --types "" "$work/types"/*.ts
  for kind in "$work/samples"/*.jsonl; do
    kinds+=("$(basename "$kind" .jsonl).json")
  done
  mkdir "$work/go"
  (cd "$contracts/schemas" && "$tools/node_modules/.bin/quicktype" --quiet --lang go --package main --src-lang schema \
    --out "$work/go/types.go" "${kinds[@]}")
  cp scripts/contracts_types.go "$work/go/main.go"
  build_go "$tools/.." "$work/go/check" "$work/go/main.go" "$work/go/types.go"
  "$work/go/check" "$work/samples"
}

mkdir -p "$tools"
# It takes as long as the streams are read.
install_node >"$work/npm.log" 2>&1 &
node_packages=$!
started+=("$node_packages")
install_python
"$tools/venv/bin/openapi-spec-validator" --subschema-errors all "$contracts/openapi.json"

start_server env CERTSTREAM_STATE_DIR="$work/closed" "$server" --config "$work/closed.toml"
closed=$address
start_server env CERTSTREAM_STATE_DIR="$work/open" "$server" --config "$work/open.toml" demo --faults --rate 40
"$tools/venv/bin/python" -B scripts/contracts.py "${DURATION:-20}" "$address" "$closed" "$hook" "$work/samples" "${received[@]}" ||
  fail "what is served is not what the contracts say; see above"
stop_server

wait "$node_packages" || fail "the packages of npm cannot be installed: $(cat "$work/npm.log")"
# Node looks for packages beside the script.
cp scripts/contracts_*.mjs "$tools/"
node "$tools/contracts_documents.mjs" "$contracts/asyncapi.json"
types
echo "passed: the contracts hold"
