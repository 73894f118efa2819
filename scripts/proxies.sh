#!/usr/bin/env bash
# Tests config/proxy with Debian's nginx and haproxy, and a browser: scripts/proxies.sh
#
# A demo has the logs, and a second server watches them, behind both proxies. Of their configurations, only addresses, paths of
# certificates and time-outs are changed: the time-outs last 3 s in place of 150, and the server sends a heartbeat each second
# in place of ten. nginx also has Debian's own configuration, and compresses everything. Then:
#
# - The server sees the clients' addresses, and limits them by these; what it accepts, a proxy accepts.
# - scripts/proxies.js: pages receive all wires without delay, over TLS and HTTP/2 from nginx, stay connected while nothing
#   comes, and miss nothing when the proxies are restarted, and when the server is, longer than a proxy waits for it.
# - `certstream-server follow` through nginx misses nothing, either.
#
# SERVER   the binary; target/release/certstream-server
# BROWSER  the browser; chromium
# CLIENTS  folder for the packages, kept and used again when given; a temporary one
# Needs nginx, haproxy, openssl and node. As root, as nginx is in Debian's configuration.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

server=${SERVER:-target/release/certstream-server}
temporary_folder work
for needed in nginx haproxy openssl; do
  command -v "$needed" >/dev/null || fail "$needed is needed"
done
install_browser "${CLIENTS:-$work/packages}"

sed -n '/^```nginx$/,/^```$/p' docs/operations.md | sed '1d;$d' | diff - config/proxy/nginx.conf ||
  fail "docs/operations.md does not quote config/proxy/nginx.conf as it is"

nginx=127.0.0.1:$(free_port)
nginx_tls=127.0.0.1:$(free_port)
haproxy=127.0.0.1:$(free_port)

# change FROM TO LINES EXPRESSION...: with sed; exactly so many lines must have changed.
change() {
  local from=$1 to=$2 lines=$3 expressions=()
  shift 3
  for expression in "$@"; do
    expressions+=(-e "$expression")
  done
  sed "${expressions[@]}" "$from" >"$to"
  [ "$(diff "$from" "$to" | grep -c '^>')" = "$lines" ] || fail "$from does not have the lines that the test changes"
}

configure_proxies() {
  local short=3s # in place of 150s
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1,DNS:localhost -keyout "$work/key.pem" -out "$work/certificate.pem" 2>"$work/openssl.log" ||
    fail "$(cat "$work/openssl.log")"
  mkdir "$work/conf.d"
  change config/proxy/nginx.conf "$work/conf.d/certstream.conf" 9 "s/listen 80;/listen $nginx;/" "s/listen 443 ssl http2/listen $nginx_tls ssl http2/" \
    "s#/etc/nginx/\(certificate\|key\).pem#$work/\1.pem#" "s/127.0.0.1:8080/$address/" "s/150s/$short/"
  echo 'gzip_types application/json application/x-ndjson text/event-stream;' >"$work/conf.d/gzip.conf"
  change /etc/nginx/nginx.conf "$work/nginx.conf" 5 "s#/run/nginx.pid#$work/nginx.pid#" "s#/var/log/nginx/#$work/nginx-#" \
    "s#/etc/nginx/conf.d/#$work/conf.d/#" '/sites-enabled/s/include.*/#/'
  change config/proxy/haproxy.cfg "$work/haproxy.cfg" 6 "s/bind :80/bind $haproxy/" "s/127.0.0.1:8080/$address/" "s/150s/$short/"
}

start_proxies() {
  # One process: those of a master that is killed would go on.
  nginx -c "$work/nginx.conf" -g 'daemon off; master_process off;' >>"$work/nginx.log" 2>&1 </dev/null &
  nginx_pid=$!
  haproxy -db -f "$work/haproxy.cfg" >>"$work/haproxy.log" 2>&1 </dev/null &
  haproxy_pid=$!
  started+=("$nginx_pid" "$haproxy_pid")
  wait_for 20 answers "$nginx" && wait_for 20 answers "$haproxy" ||
    fail "a proxy does not answer: $(tail -n 5 "$work"/nginx*.log "$work/haproxy.log")"
}

stop_proxies() {
  { kill "$nginx_pid" "$haproxy_pid" && wait "$nginx_pid" "$haproxy_pid"; } 2>/dev/null || true
}

answers() {
  [ "$(status_of "$1" /health 127.0.0.1)" = 200 ]
}

# status_of PROXY PATH ADDRESS [OPTIONS...]: of a request from an address of this machine.
status_of() {
  curl -s -o /dev/null -w '%{http_code}' --max-time 10 --interface "$3" "${@:4}" "http://$1$2"
}

# The configuration of the server has a limit for each address, and one address that may not connect.
limit=20
short_stream='/ndjson?stream=domains&last=1&follow=0'
addresses_are_the_clients() {
  [ "$(status_of "$1" /latest.json 127.0.0.67)" = 200 ] || fail "$1: a client is refused"
  [ "$(status_of "$1" /latest.json 127.0.0.66)" = 403 ] || fail "$1: the server does not see the clients' addresses"
  [ "$(status_of "$1" /latest.json 127.0.0.66 -H 'X-Forwarded-For: 127.0.0.67')" = 403 ] ||
    fail "$1: a client can claim an address"
  curl -s -N --no-progress-meter -o /dev/null --parallel --parallel-immediate --parallel-max "$limit" --interface 127.0.0.67 \
    "http://$1/sse?stream=domains&sample=[1-$limit]" &
  local many=$!
  started+=("$many")
  wait_for 10 has_clients "$limit" || fail "$1: $limit clients of one address do not connect"
  [ "$(status_of "$1" "$short_stream" 127.0.0.67)" = 429 ] || fail "$1: an address is not limited"
  [ "$(status_of "$1" "$short_stream" 127.0.0.68)" = 200 ] || fail "$1: an address is limited for another's connections"
  { kill "$many" && wait "$many"; } 2>/dev/null || true
  wait_for 10 has_clients 0 || fail "$1: clients that have gone are still connected"
}

# has_clients COUNT: whether the server has so many.
has_clients() {
  curl -sf "http://$address/status.json" | grep -q "\"clients\":{\"domains\":$1,"
}

# A long filter in a URL, and one that is too long for it.
filters_pass() {
  local values status
  values=$(printf 'domain=%060d.example&' $(seq 160)) # a limit of nginx is 8 KiB, where the server's is 16
  status=$(status_of "$1" "$short_stream&${values%&}" 127.0.0.1)
  [ "$status" = 200 ] || fail "$1: a long filter gets status $status"
  status=$(status_of "$1" /filters 127.0.0.1 --data-binary "@$work/filter")
  [ "$status" = 200 ] || fail "$1: a long filter that is put gets status $status"
}

# The numbers of what was received.
numbers() {
  sed -n 's/.*"dns_entries".*"seq":\([0-9]*\)}$/\1/p' "$1"
}

follow_missed_nothing() {
  curl -sf "http://$address/ndjson?stream=domains&follow=0" >"$work/journal"
  numbers "$work/journal" >"$work/journal.numbers"
  numbers "$work/followed" >"$work/followed.numbers"
  [ -s "$work/followed.numbers" ] &&
    sed -n "/^$(head -n 1 "$work/followed.numbers")\$/,\$p" "$work/journal.numbers" | cmp -s - "$work/followed.numbers"
}

start_server "$server" demo --rate 200
logs_pid=$server_pid
{
  printf '[heartbeat]\ninterval = "1s"\n[access]\ntrusted_proxies = ["127.0.0.1"]\ndeny = ["127.0.0.66"]\n'
  printf 'connections_per_address = %d\n' "$limit"
  configure_logs "$work/state"
} >"$work/certstream.toml"
start_server "$server" --config "$work/certstream.toml"
configure_proxies
start_proxies

printf '{"domain": ["example"%s]}' "$(printf ', "%060d.%060d.%060d.%060d"' $(seq 20000))" >"$work/filter" # 1.2 MB
for proxy in "$nginx" "$haproxy"; do
  addresses_are_the_clients "$proxy"
  filters_pass "$proxy"
done
curl -s --max-time 5 -H 'Accept-Encoding: gzip' -D "$work/head" -o /dev/null "http://$nginx/sse" || true
grep -qi '^content-encoding: gzip' "$work/head" || fail "nginx does not compress: $(cat "$work/head")"

SSL_CERT_FILE=$work/certificate.pem "$server" follow "https://$nginx_tls/" --stream domains --format json \
  --cursor-file "$work/cursor" >"$work/followed" 2>"$work/follow.log" </dev/null &
follow_pid=$!
started+=("$follow_pid")
node scripts/proxies.js "http://$address/" "$work" "nginx=https://$nginx_tls/" "haproxy=http://$haproxy/" &
pages=$!
started+=("$pages")

# is_at NAME: whether the pages have come so far, or have failed.
is_at() {
  [ -e "$work/$1" ] || has_ended "$pages"
}

wait_for 60 is_at settled || fail "the pages do not settle"
if [ -e "$work/settled" ]; then
  stop_proxies
  sleep 1
  start_proxies
  wait_for 60 is_at back-1 || fail "the pages do not come back to the proxies"
fi
if [ -e "$work/back-1" ]; then
  port=${address##*:}
  stop_server
  sleep 7 # so that what comes back to haproxy, which tries for 3 s, is refused
  start_server env PORT="$port" "$server" --config "$work/certstream.toml"
  wait_for 60 is_at back-2 || fail "the pages do not come back to the server"
  kill -STOP "$logs_pid"
  wait_for 20 follow_missed_nothing || fail "follow has missed or repeated messages: $(cat "$work/follow.log")"
  touch "$work/end"
fi
wait "$pages" || fail "see above; $(tail -n 5 "$work"/nginx*.log "$work/haproxy.log")"
kill -0 "$follow_pid" || fail "follow has ended: $(cat "$work/follow.log")"
echo "passed: pages and follow through nginx and haproxy, over restarts of the proxies and of the server"
