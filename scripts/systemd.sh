#!/usr/bin/env bash
# Checks that the systemd installation of docs/operations.md can start: as root, with the tools of systemd.
#
# It runs the server as the user of the unit, with a configuration of the mode and group that the page gives it, in a
# root directory of its own; the machine is not changed. A configuration that this user cannot read must be refused.
set -euo pipefail
cd "$(dirname "$0")/.."

unit=config/systemd/certstream-server.service
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

user=$(sed -n 's/^User=//p' "$unit")
mkdir -p "$root/etc"
systemd-sysusers --root="$root" "$PWD/config/systemd/certstream-server.sysusers"
uid=$(awk -F: -v user="$user" '$1 == user { print $3 }' "$root/etc/passwd")
gid=$(awk -F: -v user="$user" '$1 == user { print $4 }' "$root/etc/passwd")
[ -n "$uid" ] || { echo "the unit's user $user is not created"; exit 1; }

install -D -m 755 "$SERVER" "$root/usr/local/bin/certstream-server"
config=$root/etc/certstream-server/certstream.toml
install -D -m 640 -g "$gid" config/certstream.toml "$config"
printf '\n[[tokens]]\nname = "secret"\ntoken = "0123456789abcdef0123456789abcdef"\n' >> "$config"
check() {
  setpriv --reuid "$1" --regid "$2" --clear-groups "$root/usr/local/bin/certstream-server" check-config --config "$config"
}
check "$uid" "$gid" >/dev/null
if check 65534 65534 2>"$root/refused"; then
  echo "another user can read the configuration"
  exit 1
fi
grep -q 'cannot be read' "$root/refused"

# The unit itself. Its paths are those of an installed server, and the manual page is not installed here.
sed -e "s,/usr/local/bin/certstream-server,$root/usr/local/bin/certstream-server," -e '/^Documentation=/d' \
  "$unit" > "$root/certstream-server.service"
systemd-analyze verify --man=no "$root/certstream-server.service"
echo "$user ($uid:$gid) reads its configuration, others do not; the unit is valid"
