#!/usr/bin/env bash
# stop.sh DIR: ends the SuperLink and what it runs.
set -euo pipefail
python -m fedsa.deploy.service stop superlink --in "$1"
