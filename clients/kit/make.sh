#!/usr/bin/env bash
# make.sh DIR SUPERLINK SUPERLINK_CA TEACHER.toml...: node key and settings, gateway on a socket.
# make.sh DIR SUPERLINK SUPERLINK_CA HOST:PORT CA CLIENT: the gateway is at HOST:PORT, and takes
# the client certificate CLIENT.crt (with CLIENT.key) by the authority CA.
set -euo pipefail
dir=$1 superlink=$2 superlink_ca=$3
shift 3
umask 077
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
[[ -e $dir/node ]] || fedsa deploy node-key "$dir/node"
install -m 644 "$superlink_ca" "$dir/superlink-ca.crt"
if [[ $1 == *.toml ]]; then
  gateway=unix://$dir/gateway.sock config="gateway=\"unix://$dir/gateway.sock\""
  mapfile -t teachers < <(realpath "$@")
  printf 'GATEWAY=%q\nTEACHERS=(%s)\n' "$gateway" "$(printf '%q ' "${teachers[@]}")" \
    > "$dir/gateway.env"
else
  mkdir -p "$dir/caller"
  install -m 644 "$2" "$dir/caller/ca.crt"
  install -m 644 "$3.crt" "$dir/caller/client.crt"
  install -m 600 "$3.key" "$dir/caller/client.key"
  config="gateway=\"$1\" gateway-ca=\"$dir/caller/ca.crt\""
  config+=" gateway-certificate=\"$dir/caller/client.crt\" gateway-key=\"$dir/caller/client.key\""
fi
printf "SUPERLINK=%s\nNODE_CONFIG='%s'\nRUNTIME_PORT=%s\n" \
  "$superlink" "$config" "${RUNTIME_PORT:-9094}" > "$dir/supernode.env"
echo "next: send $dir/node.pub to the coordinator"
