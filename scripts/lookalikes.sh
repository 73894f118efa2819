#!/usr/bin/env bash
# Measures the filter `lookalike`: scripts/lookalikes.sh
#
# dnstwist makes names that look like 30 brands; Chromium's HSTS preload list, as a Python package, has ordinary names.
# A test passes all of them to the filters. Prints tables of what was found, and fails if it is less than 98% of any
# kind of dnstwist's names, or more than 0.1% of the ordinary ones.
#
# NAMES  folder for the Python packages and the names, kept and used again when given; a temporary one
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

temporary_folder work
names=$(absolute "${NAMES:-$work/names}")
mkdir -p "$names"
if [ ! -x "$names/venv/bin/python" ]; then
  python3 -m venv "$names/venv"
  "$names/venv/bin/pip" install --quiet dnstwist==20250130 hstspreload==2025.1.1 idna==3.20
fi
run() {
  PYTHONDONTWRITEBYTECODE=1 "$names/venv/bin/python" scripts/lookalikes.py "$1" "$names"
}

run make
LOOKALIKE_DOMAINS=$names/domains LOOKALIKE_NAMES=$names/names LOOKALIKE_FOUND=$names/found \
  cargo test --quiet --locked --features cluster,kafka --lib -- --ignored --exact filter::tests::lookalikes::which_names_look_like_which_domains
run judge || fail "see above"
