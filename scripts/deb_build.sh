#!/usr/bin/env bash
# Builds the Debian package for this machine's version of Debian: scripts/deb_build.sh [REVISION]
#
# Prints its path, in target/debian, in the last line. The program links the system's OpenSSL, which then gets its updates
# from Debian. Needs a Rust toolchain, build-essential, pkg-config and libssl-dev. cargo-deb is built where it is missing.
#
# FEATURES   features of the program; "demo cluster kafka"
# SERVER     a program that is built already, target/release/certstream-server, to be packed as it is
set -euo pipefail
cd "$(dirname "$0")/.."

revision=${1:-1}
target=${CARGO_TARGET_DIR:-target}
program=$target/release/certstream-server
generated=target/deb # where Cargo.toml expects it

cargo_deb=3.8.0
if [ "$("$target/tools/bin/cargo-deb" --version 2>/dev/null)" != "cargo-deb $cargo_deb" ]; then
  # It runs for seconds, so it is not to be built for minutes.
  CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=256 \
    CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_TARGET_DIR="$target/tools/build" \
    cargo install --quiet --locked --force --no-default-features --root "$target/tools" "cargo-deb@$cargo_deb"
  rm -rf "$target/tools/build"
fi
if [ -z "${SERVER:-}" ]; then
  cargo build --release --locked --no-default-features --features "${FEATURES:-demo cluster kafka}"
elif [ "$SERVER" != "$program" ]; then
  echo "only $program can be packed, not $SERVER" >&2
  exit 1
fi

rm -rf "$generated"
mkdir -p "$generated"
# As in the image: without debugging information, but backtraces keep their function names.
strip --strip-debug -o "$generated/certstream-server" "$program"
# In a package, the program is in /usr/bin and the unit in /usr/lib.
sed -e 's,/usr/local/bin,/usr/bin,' -e 's,^# systemd unit: .*,# systemd unit,' \
  config/systemd/certstream-server.service >"$generated/certstream-server.service"
grep -q '^ExecStart=/usr/bin/certstream-server ' "$generated/certstream-server.service"
"$program" man >"$generated/certstream-server.1"
for shell in bash fish zsh; do
  "$program" completions "$shell" >"$generated/certstream-server.$shell"
done
"$target/tools/bin/cargo-deb" --no-build --no-strip --deb-revision "$revision"
