#!/usr/bin/env bash
# make.sh DIR PORT HOST...: the coordinator's certificates, and the connection 'real' for flwr.
set -euo pipefail
dir=$1 port=$2
shift 2
umask 077
mkdir -p "$dir/keys" "$dir/flower"
dir=$(cd "$dir" && pwd)
# Runs are submitted and started over the loopback: to others the SuperLink answers nodes alone.
fedsa deploy certificates "$dir/keys" "${@/#/--host=}" --host localhost --host 127.0.0.1
cat > "$dir/flower/config.toml" <<TOML
[superlink]
default = "real"

[superlink.real]
address = "127.0.0.1:$port"
root-certificates = "$dir/keys/ca.crt"
TOML
echo "next: export FLWR_HOME=$dir/flower"
