#!/usr/bin/env bash
# The front page in a real browser: scripts/browser.sh
#
# Starts `certstream-server demo` and looks at its page with a headless Chromium: the feed moves, pause pauses, a certificate
# opens, the logs and the samples are there, names that turn others around or hide are shown as they are, the page comes
# back after a restart of the server, asks for a token where one is needed, and it asks no other host for anything.
#
# With a busy server (scripts/browser_filter.js): what moves can be read; with a filter, every match is shown, saved and
# shared, and a wrong one is explained; a page that is hidden asks for nothing; axe finds nothing.
#
# With a server whose logs and whose process are stopped and ended (scripts/browser_journal.js): the page is full at once,
# reads back to the first entry of the journal, goes on without a hole, and says what is wrong.
#
# UPDATE_PICTURES=1   also makes docs/front-page.png anew, which takes a minute more
# SERVER   the binary; target/release/certstream-server
# BROWSER  the browser; chromium
# CLIENTS  folder for the packages, kept and used again when given; a temporary one
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

picture=
if [ "${UPDATE_PICTURES:-}" = 1 ]; then
  picture=$PWD/docs/front-page.png
fi
server=${SERVER:-target/release/certstream-server}
temporary_folder work
install_browser "${CLIENTS:-$work/packages}"

start_server "$server" demo --rate 1000
node scripts/browser.js busy "http://$address/" || fail "see above"
node scripts/browser_filter.js "http://$address/" || fail "see above"
stop_server

start_server "$server" demo --rate 600
temporary_folder watched
SERVER=$server \
  node scripts/browser_journal.js "http://$address/" "$server_pid" "$watched" || fail "see above, and $(tail -n 20 "$watched/log")"

start_server "$server" demo
port=${address##*:}
node scripts/browser.js whole "http://$address/" "$work/down" "$work/up" "$picture" &
looking=$!
started+=("$looking")
# The page says when it wants the server to be restarted.
wait_for 180 test -e "$work/down" -o ! -d "/proc/$looking" || fail "the browser never came to the restart"
if [ -e "$work/down" ]; then
  stop_server
  PORT=$port RUST_LOG=info "$server" demo >"$work/second.log" 2>&1 </dev/null &
  server_pid=$!
  started+=("$server_pid")
  touch "$work/up"
fi
wait "$looking" || fail "see above"
stop_server

"$server" token --name page >"$work/tokens.toml" 2>"$work/token"
start_server "$server" demo --config "$work/tokens.toml"
TOKEN=$(sed 's/.* //' "$work/token") node scripts/browser.js token "http://$address/" || fail "see above"
stop_server

printf '[server]\nstreams = ["domains"]\nroot_stream = "domains"\n' >"$work/names.toml"
start_server "$server" demo --config "$work/names.toml"
node scripts/browser.js names "http://$address/" || fail "see above"
stop_server
echo "passed: the front page in a browser"
