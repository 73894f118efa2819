#!/usr/bin/env bash
# Builds the Debian package and tries it in a bare Debian, made with debootstrap and without systemd: scripts/deb.sh
#
# As root on Debian 12 or later. The package is installed with what it depends on, its program started as its user, and the page
# must be there. An upgrade must keep the changed configuration; after a removal it is still there, and after a purge
# nothing is.
#
# FEATURES, SERVER   as in deb_build.sh
# MIRROR             the mirror of Debian; by default that of debootstrap
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

config=/etc/certstream-server/certstream.toml
state=/var/lib/certstream-server

install_what_is_missing() {
  local packages=() command
  for command in debootstrap curl pkg-config; do
    command -v "$command" >/dev/null || packages+=("$command")
  done
  command -v cc >/dev/null && command -v dpkg-shlibdeps >/dev/null || packages+=(build-essential)
  [ -e /usr/include/openssl/ssl.h ] || packages+=(libssl-dev)
  if [ ${#packages[@]} -gt 0 ]; then
    echo "installing ${packages[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  fi
}

# in_root COMMAND...: runs it in the bare Debian.
in_root() {
  DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$root" "$@"
}

# apt ARGUMENTS...
apt() {
  in_root apt-get -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "$@" >"$work/apt.log" 2>&1 ||
    fail "apt-get $*: $(tail -n 20 "$work/apt.log")"
}

# build REVISION: puts the package into the bare Debian, and its name there into the variable package.
build() {
  local built
  scripts/deb_build.sh "$1" >"$work/build.log" 2>&1 || fail "the build: $(tail -n 20 "$work/build.log")"
  built=$(tail -n 1 "$work/build.log")
  cp "$built" "$root/"
  package=/$(basename "$built")
}

# mode PATH: its mode, owner and group in the bare Debian.
mode() {
  in_root stat --format '%a %U:%G' "$1"
}

# has PATH TEXT: whether the response has this text. All of it is read, else curl would fail.
has() {
  curl -sf -H 'Accept: text/html' "http://$address$1" | grep "$2" >/dev/null
}

is_there() {
  has / '<title>' && has /latest.json '"all_domains"'
}

# try_program: as the unit does, as its user, with the configuration that is installed.
try_program() {
  in_root install -d -m 700 -o certstream -g certstream "$state"
  start_server env CERTSTREAM_STATE_DIR="$state" \
    chroot --userspec=certstream:certstream "$root" /usr/bin/certstream-server demo --config "$config"
  wait_for 20 is_there || fail "the page or the newest messages are not there"
  stop_server
}

[ "$(id -u)" = 0 ] || fail "only root can install a package"
install_what_is_missing
temporary_folder work
chmod 755 "$work"
root=$work/root
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
debootstrap --variant=minbase "$suite" "$root" ${MIRROR:+"$MIRROR"} >"$work/debootstrap.log" ||
  fail "debootstrap: $(tail -n 3 "$work/debootstrap.log")"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # nothing may be started by packages
chmod 755 "$root/usr/sbin/policy-rc.d"

build 1
first=$package
apt update
apt install systemd-standalone-sysusers # else apt chooses systemd
apt install "$package"
[ "$(mode "$config")" = "640 root:certstream" ] || fail "$config is $(mode "$config")"
in_root dpkg --status certstream-server | grep -E '^(Version|Installed-Size|Depends):'
for file in /usr/lib/systemd/system/certstream-server.service /usr/share/man/man1/certstream-server.1.gz \
  /usr/share/bash-completion/completions/certstream-server; do
  [ -s "$root$file" ] || fail "$file is not there"
done
[ ! -e "$root/usr/bin/systemctl" ] || fail "systemd was installed, so nothing is known of a system without"
try_program

echo '# changed here' >>"$root$config"
build 2
[ "$package" != "$first" ] || fail "both packages have one name"
apt install "$package"
in_root dpkg-query --show certstream-server | grep -- '-2$' >/dev/null || fail "the package was not upgraded"
[ "$(tail -n 1 "$root$config")" = '# changed here' ] || fail "the upgrade has replaced the configuration"
[ "$(mode "$config")" = "640 root:certstream" ] || fail "after the upgrade, $config is $(mode "$config")"
try_program

apt remove certstream-server
[ ! -e "$root/usr/bin/certstream-server" ] && [ -e "$root$config" ] && [ -d "$root$state" ] ||
  fail "a removal must leave the configuration and the state, and nothing else"
apt purge certstream-server
[ ! -e "$root$config" ] && [ ! -e "$root$state" ] || fail "a purge has left something"
echo "passed: $(basename "$package"), $(du -h "$root$package" | cut -f 1): installed, upgraded, removed and purged"
