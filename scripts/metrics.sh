#!/usr/bin/env bash
# What is said about metrics, held against what is served: scripts/metrics.sh [SECONDS]
#
# Starts `certstream-server demo` with a client, and a Prometheus that asks it for SECONDS (25). promtool checks the
# metrics, the alert rules and their tests; then each panel of the dashboard must have data, and no alert may be about to
# fire.
#
# SERVER   the binary; target/release/certstream-server
# Needs prometheus and promtool, python3 and curl.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

seconds=${1:-25}
server=${SERVER:-target/release/certstream-server}
temporary_folder work

promtool check config config/prometheus/prometheus.yml
promtool test rules config/prometheus/alerts_test.yml

start_server "$server" demo --rate 100
curl --silent --no-buffer --output /dev/null "http://$address/sse?stream=lite" &
started+=($!)

cp config/prometheus/alerts.yml "$work/"
sed "s/localhost:8080/$address/; s/15s/1s/" config/prometheus/prometheus.yml >"$work/prometheus.yml"
port=$(free_port)
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" \
  --web.listen-address="127.0.0.1:$port" >"$work/prometheus.log" 2>&1 &
started+=($!)
wait_for 20 curl --silent --fail --output /dev/null "http://127.0.0.1:$port/-/ready" || {
  cat "$work/prometheus.log" >&2
  fail "Prometheus did not start"
}
sleep "$seconds"

curl --silent --fail "http://$address/metrics" | promtool check metrics || fail "promtool does not like the metrics"
python3 scripts/metrics_panels.py config/grafana/dashboard.json "http://127.0.0.1:$port" || fail "see above"
stop_server
echo "passed: metrics, rules, their tests, and every panel has data"
