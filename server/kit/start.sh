#!/usr/bin/env bash
# start.sh DIR PORT [ADDRESS]: a SuperLink with TLS, known nodes only, and a database. To other
# machines it answers nodes alone. An ADDRESS to listen on goes into DIR/flower/config.toml too.
set -euo pipefail
cd "$1"
# Runs must neither install packages nor tell anybody of themselves.
export FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1 PYTHONUNBUFFERED=1
export FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION=1
export FLWR_HOME="$PWD/flower" OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=0
python -m fedsa.deploy.service start superlink --until "Uvicorn running" -- \
  python -P -m fedsa.deploy.superlink --host "${3:-0.0.0.0}" --port "$2" \
  --database "$PWD/superlink.db" \
  --ssl-ca-certfile keys/ca.crt --ssl-certfile keys/server.crt --ssl-keyfile keys/server.key \
  --enable-supernode-auth
