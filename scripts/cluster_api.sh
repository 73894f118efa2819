#!/usr/bin/env bash
# The API tests of what clients see, against clusters: an ingester and an edge take the place of each server.
#
# NATS   the engine, nats-server; the one in PATH
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

nats=${NATS:-nats-server}
command -v "$nats" >/dev/null || fail "there is no $nats"
temporary_folder work

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/nats.conf" <<CONF
listen: "127.0.0.1:$port"
max_payload: 8MB
jetstream { store_dir: "$work/nats", max_file_store: 50GB }
CONF
"$nats" --config "$work/nats.conf" --log "$work/nats.log" &
started+=($!)

# These look at the files of the embedded journal, at what only a server without others can know, or at filters that are gone
# with their file.
skipped=(
  resume::a_client_whose_cursor_is_older_than_the_journal_is_told_what_is_missing
  resume::a_client_goes_on_after_a_restart_as_if_there_had_been_none
  resume::a_damaged_block_is_announced_as_a_gap_between_those_around_it
  resume::the_last_entries_come_before_the_live_stream_or_before_a_number
  kept_filters::a_filter_is_gone_with_its_file_and_a_name_that_is_unknown_says_what_to_do
  slow_clients::who_asks_is_told_in_the_stream_which_messages_are_missing
  wires::events_go_in_chunks_only_to_those_who_know_them
)
export TEST_ENGINE="nats://127.0.0.1:$port"
cargo test --locked --features cluster,kafka --test api -- \
  streams:: wires:: resume:: filters:: kept_filters:: named_filters:: slow_clients:: \
  "${skipped[@]/#/--skip=}"
