#!/usr/bin/env bash
# Builds the release archive for aarch64 on a machine of another kind, and runs its program in qemu: scripts/aarch64.sh
#
# As root on Debian 12 or later, with a Rust toolchain of rustup. The program is started with its example configuration, and
# as the demo; a client must receive what the logs have, and SIGTERM must end it. qemu runs one program, with this machine's
# kernel: what depends on the processor's speed or on another kernel is not tried. Takes ten minutes on 2 cores. The archive
# is in target/archives.
#
# FEATURES   as in release_build.sh
# CLIENTS    folder for the packages of clients, kept and used again when given; a temporary one
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

export FEATURES=${FEATURES:-demo cluster kafka vendored-openssl}
target=aarch64-unknown-linux-gnu
# With the libraries of Debian's cross compiler. A function would be another process, between a signal and the program.
libraries=/usr/aarch64-linux-gnu
qemu=(qemu-aarch64-static -L "$libraries")

install_what_is_missing() {
  local packages=()
  command -v aarch64-linux-gnu-gcc >/dev/null || packages+=(gcc-aarch64-linux-gnu)
  command -v aarch64-linux-gnu-g++ >/dev/null || packages+=(g++-aarch64-linux-gnu)
  [ -e "$libraries/include/stdio.h" ] || packages+=(libc6-dev-arm64-cross)
  command -v qemu-aarch64-static >/dev/null || packages+=(qemu-user-static)
  command -v file >/dev/null || packages+=(file)
  if [ ${#packages[@]} -gt 0 ]; then
    echo "installing ${packages[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  fi
  [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] || rustup --quiet target add "$target"
}

# build: puts the archive's path into the variable archive. librdkafka takes the compilers of CC and CXX; nothing in C is
# built for this machine.
build() {
  local begin=$SECONDS
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc \
    CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++ RUNNER="${qemu[*]}" \
    scripts/release_build.sh "$target" >"$work/build.log" || fail "the build"
  archive=$(tail -n 1 "$work/build.log")
  echo "built in $((SECONDS - begin)) s"
}

# verified: whether both logs, whose statistics are the input, have verified and delivered entries, without a fault.
verified() {
  python3 -c '
import json, sys
logs = json.load(sys.stdin)["logs"]
for url, log in logs.items():
    print(log["name"], log["delivered"], "delivered,", log["verified_size"], "verified")
good = [log["verified_size"] >= log["delivered"] > 0 and log["verification"] == "signed" and not log["misbehaviours"]
        and not log["undecodable"] and not log["failures"] for log in logs.values()]
sys.exit(good != [True, True])
'
}

temporary_folder work
install_what_is_missing
install_python_clients "${CLIENTS:-$work/clients}"
build
tar --extract --file "$archive" --directory "$work" --strip-components 1
program=$work/certstream-server
file "$program" | grep -q 'ELF 64-bit LSB pie executable, ARM aarch64' || fail "not for aarch64: $(file "$program")"
"${qemu[@]}" "$program" --version
"${qemu[@]}" "$program" check-config --config "$work/config/certstream.toml" >"$work/checked" || fail "check-config"
if "${qemu[@]}" "$program" check-config --config /nowhere.toml 2>"$work/refused"; then
  fail "a configuration that is not there is accepted"
fi
check_sbom "$archive" "$program" "$target" "$FEATURES"
[ -s "$work/man/certstream-server.1" ] || fail "the manual page is empty"

start_server "${qemu[@]}" "$program" demo
PYTHONDONTWRITEBYTECODE=1 "$clients/venv/bin/python" scripts/smoke_websockets.py "ws://$address/" 12 ||
  fail "a client missed messages"
curl -sf "http://$address/stats" | verified || fail "the entries of the logs are not verified"
stop_server
echo "passed: $(basename "$archive"), $(du -h "$archive" | cut -f 1); the demo ended within ${stopped_in} s of SIGTERM"
