#!/usr/bin/env bash
# start-supernode.sh DIR: the SuperNode of DIR/supernode.env; runs approved bundles only.
set -euo pipefail
cd "$1"
# SUPERLINK: host:port; NODE_CONFIG: where the gateway is; SUPERNODE_OPTIONS: further options.
# Without a secret among these every account of this machine can take the node's tasks.
. ./supernode.env
export FLWR_HOME="$PWD/flower" HOME="$PWD"
# Flower tells a coordinator the path of a bundle that it cannot unpack: so that it can be is tried.
umask 077
{ mkdir -p flower/apps && rmdir "$(mktemp -d flower/apps/.try-XXXXXX)"; } 2>/dev/null || {
  echo "error: '$PWD/flower/apps' cannot be written: mind its owner, and room on the disk." >&2
  exit 1
}
# A SuperLink takes a node that was killed for connected, and refuses it, for up to a minute.
python -m fedsa.deploy.service start supernode --until "SuperNode ID" \
  --patience "${START_PATIENCE:-75}" -- \
  fedsa client supernode --state . --superlink "$SUPERLINK" --root-certificates superlink-ca.crt \
  --auth-supernode-private-key node --host 127.0.0.1 --port "${RUNTIME_PORT:-9094}" \
  --node-config "$NODE_CONFIG" ${SUPERNODE_OPTIONS:-}
