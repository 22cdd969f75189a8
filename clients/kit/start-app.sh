#!/usr/bin/env bash
# start-app.sh DIR: with three users, what starts the coordinator's code, as a user of its own.
set -euo pipefail
cd "$1"
[[ -e app.env ]] && . ./app.env
export FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1 PYTHONUNBUFFERED=1
export FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION=1
export FLWR_HOME="$PWD/flower" HOME="$PWD" FEDSA_CACHE="$PWD/cache"
# Flower tells a coordinator the path of a bundle that it cannot unpack: so that it can be is tried.
umask 077
{ mkdir -p flower/apps && rmdir "$(mktemp -d flower/apps/.try-XXXXXX)"; } 2>/dev/null || {
  echo "error: '$PWD/flower/apps' cannot be written: mind its owner, and room on the disk." >&2
  exit 1
}
python -m fedsa.deploy.service start app --until "Starting Flower SuperExec" -- \
  flower-superexec --insecure --runtime-api-address "127.0.0.1:${RUNTIME_PORT:-9094}" \
  --superexec-auth-secret-file secret
