#!/usr/bin/env bash
# Builds the release archive twice, in different folders, and tries it: scripts/release.sh
#
# Both must be equal, byte by byte. What is in the archive is unpacked and run, and its SBOM must be valid and name exactly the
# crates that `cargo tree` has for these features. The second build is that of the last commit, so commit before. Takes fifteen
# minutes on 2 cores, and 1 GB of disk until it ends. The archive stays in target/archives.
#
# FEATURES   as in release_build.sh
# CLIENTS    folder for the packages of clients, kept and used again when given; a temporary one
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

export FEATURES=${FEATURES:-demo cluster kafka vendored-openssl}
target=$(rustc -vV | sed -n 's/^host: //p')

# build FOLDER NAME: the archive of the sources in the folder; puts its path into the variable NAME.
build() {
  local begin=$SECONDS
  "$1/scripts/release_build.sh" >"$work/build.log" || fail "the build in $1"
  printf -v "$2" %s "$(tail -n 1 "$work/build.log")"
  echo "built in $1 in $((SECONDS - begin)) s"
}

# build_elsewhere: with another path for all that has one, and as somebody who lets nobody else read files.
build_elsewhere() {
  local elsewhere=$work/somebody/else
  mkdir -p "$elsewhere/cargo"
  git clone --quiet . "$elsewhere/sources"
  ln -s "${CARGO_HOME:-$HOME/.cargo}/registry" "$elsewhere/cargo/registry"
  (
    umask 077
    export CARGO_HOME=$elsewhere/cargo CARGO_TARGET_DIR=$elsewhere/built TZ=Asia/Kathmandu
    unset ARCHIVES
    build "$elsewhere/sources" again
    cp "$again" "$work/again.tar.gz"
    cp "${again%.tar.gz}.cdx.json" "$work/again.cdx.json"
  )
  rm -rf "$elsewhere"
}

# equal FILE OTHER: else says where they differ.
equal() {
  cmp "$1" "$2" && return
  mkdir -p "$work/a" "$work/b"
  if [[ "$1" = *.tar.gz ]]; then
    tar --extract --file "$1" --directory "$work/a"
    tar --extract --file "$2" --directory "$work/b"
    diff -r "$work/a" "$work/b" >&2 || true
    diff <(strings "$work"/a/*/certstream-server) <(strings "$work"/b/*/certstream-server) | head -n 20 >&2 || true
  else
    diff "$1" "$2" | head -n 20 >&2 || true
  fi
  fail "two builds of $(basename "$1") differ"
}

check_listing() {
  local name=$1 files
  files=$(tar --list --verbose --numeric-owner --file "$archive")
  ! grep -vE ' 0/0 ' <<<"$files" || fail "these files have an owner"
  ! grep -vE '^(d|-)rwxr-xr-x |^-rw-r--r-- ' <<<"$files" || fail "these files have other modes"
  files=$(tar --list --file "$archive")
  LC_ALL=C sort --check <<<"${files//\//$'\t'}" || fail "the files are not sorted"
  for file in certstream-server README.md LICENSE LICENSES-OF-OTHERS CHANGELOG.md BUILD config/certstream.toml \
    config/systemd/certstream-server.service config/systemd/certstream-server.sysusers config/kubernetes/server/server.yaml \
    config/cluster/ingest.toml man/certstream-server.1 completions/certstream-server.bash docs/operations.md; do
    grep -qx "$name/$file" <<<"$files" || fail "$file is not in the archive"
  done
  # Those of pages, to other pages.
  (cd "$work/unpacked/$name" && python3 "$OLDPWD/scripts/release_links.py") || fail "the documentation has dead links"
}

# check_program: it runs where there is nothing else of it.
check_program() {
  (cd "$1" && ./certstream-server --version && ./certstream-server check-config --config config/certstream.toml >/dev/null)
  ! strings "$1/certstream-server" | grep -F -e "${CARGO_HOME:-$HOME/.cargo}" -e "$HOME/.rustup" -e "$PWD/" -e "$work" ||
    fail "the program has paths of this machine"
  ! ldd "$1/certstream-server" | grep -E 'ssl|crypto' || fail "the program needs the system's OpenSSL"
  start_server "$1/certstream-server" demo
  PYTHONDONTWRITEBYTECODE=1 "$clients/venv/bin/python" scripts/smoke_websockets.py "ws://$address/" 12 ||
    fail "a client missed messages"
  stop_server
  echo "the oldest glibc that it runs with: $(objdump -T "$1/certstream-server" | grep -o 'GLIBC_[0-9.]*' |
    sort -Vu | tail -n 1)"
}

git diff --quiet HEAD -- || fail "there are changes that are not committed"
temporary_folder work
install_python_clients "${CLIENTS:-$work/clients}"

build "$PWD" archive
name=$(basename "$archive" .tar.gz)
(cd "$(dirname "$archive")" && sha256sum --check --quiet --ignore-missing SHA256SUMS)
mkdir "$work/unpacked"
tar --extract --file "$archive" --directory "$work/unpacked"
check_listing "$name"
check_program "$work/unpacked/$name"
check_sbom "$archive" "$work/unpacked/$name/certstream-server" "$target" "$FEATURES"
build_elsewhere
equal "$archive" "$work/again.tar.gz"
equal "${archive%.tar.gz}.cdx.json" "$work/again.cdx.json"
echo "passed: $name.tar.gz, $(du -h "$archive" | cut -f 1), with a program of $(du -h "$work/unpacked/$name/certstream-server" |
  cut -f 1); two builds are equal"
