#!/usr/bin/env bash
# start-gateway.sh DIR: the gateway of DIR/gateway.env, with the teacher's files and records.
set -euo pipefail
cd "$1"
# GATEWAY: unix:///path or host:port; TEACHERS: a TOML file, or several as (one two).
. ./gateway.env
tls=()
if [[ $GATEWAY != unix:* ]]; then
  tls=(--certificate keys/gateway.crt --key keys/gateway.key --client-ca keys/ca.crt)
fi
python -m fedsa.deploy.service start gateway --until "ready: " -- \
  fedsa teacher serve "${TEACHERS[@]}" --address "$GATEWAY" --state records "${tls[@]}"
