#!/usr/bin/env bash
# Builds a release archive: scripts/release_build.sh [TARGET]
#
# Makes certstream-server-VERSION-TARGET.tar.gz, its SBOM (.cdx.json, CycloneDX) and SHA256SUMS in target/archives, and prints
# the archive's path in the last line. TARGET is this machine's by default; scripts/aarch64.sh builds for another. Both files
# depend on the commit, the toolchain and the C compiler alone, not on the folder, the user or the time. Needs a Rust toolchain,
# compilers of C and C++, make, perl and Python 3.11 or later.
#
# FEATURES            features of the program; "demo cluster kafka vendored-openssl"
# ARCHIVES            folder for what is made; target/archives
# SOURCE_DATE_EPOCH   the time of all files; that of the commit
# RUNNER              runs a program of TARGET, such as "qemu-aarch64-static -L /usr/aarch64-linux-gnu"; by default nothing does
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh
export LC_ALL=C

features=${FEATURES:-demo cluster kafka vendored-openssl}
target=${1:-$(rustc -vV | sed -n 's/^host: //p')}
built=${CARGO_TARGET_DIR:-target}
archives=${ARCHIVES:-$built/archives}
version=$(cargo pkgid --offline --locked | sed 's/.*[#@]//')
name=certstream-server-$version-$target
read -ra runner <<<"${RUNNER:-}"

# commit: what is built, for those who want to build it again.
commit() {
  git rev-parse HEAD
  git diff --quiet HEAD -- || echo "with changes that are not committed"
}

# build: no path of this machine may be in the program. Those of Rust are mapped. OpenSSL has those of its modules, which are
# never there, because it is linked whole; without these definitions they would be in the folder of this build.
build() {
  local mapped=() separator=$'\x1f' folder
  mkdir -p "$built"
  folder=$(absolute "$built")
  # The last one that fits counts.
  mapped+=("--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo")
  mapped+=("--remap-path-prefix=$PWD=/certstream-server")
  mapped+=("--remap-path-prefix=$folder=/certstream-server/target")
  CARGO_ENCODED_RUSTFLAGS=$(IFS=$separator && echo "${mapped[*]}") \
    GNUMAKEFLAGS="ENGINESDIR=/usr/local/lib/engines-3 MODULESDIR=/usr/local/lib/ossl-modules" \
    CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_STRIP=debuginfo \
    cargo build --release --locked --target "$target" --no-default-features --features "$features" \
    --message-format json-render-diagnostics >"$work/messages"
}

# stage FOLDER: puts what the archive has into it.
stage() {
  local file shell
  install -D -m 755 "$program" "$1/certstream-server"
  # Files of Docker Compose build the image, which needs the sources; those for Debian are in its package.
  git ls-files README.md LICENSE CHANGELOG.md docs config | grep -vE '^config/(debian/|.*compose)' >"$work/files"
  while read -r file; do
    install -D -m 644 "$file" "$1/$file"
  done <"$work/files"
  mkdir -p "$1/man" "$1/completions"
  "${runner[@]}" "$program" man >"$1/man/certstream-server.1"
  for shell in bash fish zsh; do
    "${runner[@]}" "$program" completions "$shell" >"$1/completions/certstream-server.$shell"
  done
  {
    printf 'commit: %s\n' "$(commit)"
    printf 'target: %s\nfeatures: %s\n' "$target" "$features"
    printf 'rustc: %s\n' "$(rustc --version)"
    printf 'C compiler: %s\n' "$(c_compiler --version | head -n 1)"
  } >"$1/BUILD"
}

# c_compiler ARGUMENTS...: the one that the build takes.
c_compiler() {
  local variable=CC_${target//-/_}
  "${!variable:-cc}" "$@"
}

if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
fi
export SOURCE_DATE_EPOCH
temporary_folder work
mkdir -p "$archives"
archives=$(absolute "$archives")

build
program=$built/$target/release/certstream-server
stage "$work/$name"
python3 scripts/release_sbom.py "$target" "$features" "$program" "$archives/$name.cdx.json" "$work/$name/LICENSES-OF-OTHERS" \
  <"$work/messages"
tar --create --directory "$work" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
  --mode=u+rwX,go+rX,go-w "$name" | gzip -9 --no-name >"$archives/$name.tar.gz"
(cd "$archives" && sha256sum "certstream-server-$version"-*.tar.gz "certstream-server-$version"-*.cdx.json >SHA256SUMS)
echo "$archives/$name.tar.gz"
