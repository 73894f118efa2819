#!/usr/bin/env bash
# Runs each fuzz target for a fixed count of executions: scripts/fuzz.sh [RUNS [TARGET...]]
#
# RUNS is 200000 by default, TARGETs are all of them. Stops at the first finding, with its input in
# fuzz/artifacts/TARGET. docs/fuzzing.md says more.
#
# MAX_LEN  bytes of an input at most; 4096
# SECONDS_EACH  the time after which one execution is a finding; 5
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-200000}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(certificate extensions log_entry get_entries_page tile consistency client_frames journal_block filters)

# What cargo-fuzz passes for coverage without a sanitizer, all of which a stable compiler takes. Only what
# is built for an explicit --target gets it, and so build scripts and macros do not.
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS='--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4'
RUSTFLAGS+=' -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table'
RUSTFLAGS+=' -Cllvm-args=-sanitizer-coverage-trace-compares'
export RUSTFLAGS
# Where the server was built its OpenSSL will do.
for install in "${CARGO_TARGET_DIR:-target}"/{release,debug}/build/openssl-sys-*/out/openssl-build/install; do
  if [ -d "$install/include" ]; then
    export OPENSSL_NO_VENDOR=1 OPENSSL_STATIC=1 OPENSSL_DIR=$(realpath "$install")
    break
  fi
done
cargo build --release --locked --manifest-path fuzz/Cargo.toml --target-dir fuzz/target --target "$host" --bins
unset RUSTFLAGS OPENSSL_NO_VENDOR OPENSSL_STATIC OPENSSL_DIR
binaries=fuzz/target/$host/release

FUZZ_SEEDS=$PWD/fuzz/corpus cargo test --quiet --locked --features cluster,kafka --test wording -- --ignored --exact seeds::fuzz_seeds

for target in "${targets[@]}"; do
  mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
  log=$(mktemp)
  if ! "$binaries/$target" -runs="$runs" -max_len="${MAX_LEN:-4096}" -timeout="${SECONDS_EACH:-5}" \
    -rss_limit_mb=1024 -artifact_prefix="fuzz/artifacts/$target/" -print_final_stats=1 \
    "fuzz/corpus/$target" >"$log" 2>&1 </dev/null; then
    tail -n 40 "$log"
    echo "failed: $target; the log is $log" >&2
    exit 1
  fi
  echo "passed: $target, $(sed -n 's/^Done //p' "$log")"
  rm "$log"
done
