# What the scripts of this folder share. To be sourced; everything started here ends with the script.

started=()
folders=()

fail() {
  echo "failed: $*" >&2
  if [ -n "${server_log:-}" ] && [ -s "$server_log" ]; then
    echo "the last lines of the server's log:" >&2
    tail -n 20 "$server_log" >&2
  fi
  exit 1
}

clean_up() {
  local pid
  for pid in "${started[@]}"; do
    { kill -KILL "$pid" && wait "$pid"; } 2>/dev/null || true # else the shell tells of each that it was killed
  done
  rm -rf "${folders[@]}"
}
trap clean_up EXIT

# temporary_folder NAME: makes one and puts its path into the variable NAME.
temporary_folder() {
  folders+=("$(mktemp -d)")
  printf -v "$1" %s "${folders[-1]}"
}

# absolute PATH: prints it so that it holds in any folder; its parent must exist.
absolute() {
  (cd "$(dirname "$1")" && printf '%s/%s\n' "$PWD" "$(basename "$1")")
}

# wait_for SECONDS COMMAND...: until the command succeeds; its status is 1 when it does not in time.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}

# start_server COMMAND...: starts it on a port that the system chooses; sets server_pid, server_log and address.
start_server() {
  temporary_folder server_log
  server_log+=/log
  : >"$server_log"
  PORT=0 RUST_LOG=info "$@" >"$server_log" 2>&1 </dev/null &
  server_pid=$!
  started+=("$server_pid")
  wait_for 20 is_listening || fail "the server did not start: $*"
  address=127.0.0.1:$(server_port)
}

server_port() {
  sed -n 's/.*listening on [^ ]*:\([0-9]*\); .*/\1/p' "$server_log"
}

is_listening() {
  kill -0 "$server_pid" 2>/dev/null || fail "the server ended at once"
  [ -n "$(server_port)" ]
}

# stop_server: SIGTERM; fails unless the server ends with status 0 within 10 s. Sets stopped_in.
stop_server() {
  local begin=$SECONDS status=0
  kill -TERM "$server_pid"
  wait_for 10 has_ended "$server_pid" || fail "still running 10 s after SIGTERM"
  wait "$server_pid" || status=$?
  [ "$status" = 0 ] || fail "exit status $status after SIGTERM"
  stopped_in=$((SECONDS - begin))
}

has_ended() {
  ! kill -0 "$1" 2>/dev/null
}

# install_python_clients FOLDER: the client packages of Python, kept in FOLDER and used again. Sets clients.
install_python_clients() {
  mkdir -p "$1"
  clients=$(absolute "$1")
  if [ ! -x "$clients/venv/bin/python" ]; then
    python3 -m venv "$clients/venv"
    "$clients/venv/bin/pip" install --quiet certstream==1.12 websockets
  fi
}

# install_clients FOLDER: those of Python and JavaScript.
install_clients() {
  install_python_clients "$1"
  if [ ! -d "$clients/node_modules/certstream" ] || [ ! -d "$clients/node_modules/ws" ]; then
    npm install --silent --no-audit --no-fund --prefix "$clients" certstream@1.1.1 ws@8
  fi
}

# install_browser FOLDER: what looks at pages, with a browser that is there: sets BROWSER and NODE_PATH.
install_browser() {
  mkdir -p "$1"
  clients=$(absolute "$1")
  if [ ! -d "$clients/node_modules/playwright-core" ] || [ ! -d "$clients/node_modules/axe-core" ]; then
    npm install --silent --no-audit --no-fund --prefix "$clients" playwright-core@1.65.1 axe-core@4.14.1
  fi
  export NODE_PATH="$clients/node_modules"
  BROWSER=$(command -v "${BROWSER:-chromium}")
  export BROWSER
}

# free_port: prints one that nothing listens at.
free_port() {
  python3 scripts/free_port.py
}

# configure_logs STATE: prints the configuration of a server that watches the logs of the demo at $address from the start, and
# keeps its state in the folder STATE.
configure_logs() {
  printf '[log_list]\nenabled = false\n[fetch]\npoll_interval = "200ms"\n[state]\ndir = "%s"\n' "$1"
  curl -sf "http://$address/status.json" | python3 -c '
import json, sys
for log in json.load(sys.stdin)["logs"]:
    print("[[logs]]\nurl = \"%s\"\ntype = \"%s\"\nstart = 0" % (log["url"], log["protocol"]))
'
}

# build_go FOLDER PROGRAM SOURCE...: with Debian's packages for Go; what is compiled is kept in FOLDER for the next one.
build_go() {
  mkdir -p "$1"
  GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$(absolute "$1")/go-cache go build -o "${@:2}"
}

# check_sbom ARCHIVE PROGRAM TARGET FEATURES: of a release. Keeps its packages in the folder of install_python_clients.
check_sbom() {
  if [ ! -x "$clients/cyclonedx/bin/python" ]; then
    python3 -m venv "$clients/cyclonedx"
    "$clients/cyclonedx/bin/pip" install --quiet --disable-pip-version-check 'cyclonedx-python-lib[json-validation]==11.12.0'
  fi
  PYTHONDONTWRITEBYTECODE=1 "$clients/cyclonedx/bin/python" scripts/release_sbom_check.py "${1%.tar.gz}.cdx.json" "${@:2}" ||
    fail "the SBOM of $(basename "$1")"
}

# install_kubernetes_schemas FOLDER: kept there, and used again.
install_kubernetes_schemas() {
  if [ ! -x "$1/bin/kubernetes-validate" ]; then
    python3 -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check kubernetes-validate==1.37.0
  fi
}
