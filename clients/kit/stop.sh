#!/usr/bin/env bash
# stop.sh DIR...: ends what runs from each of the folders.
set -euo pipefail
for dir in "$@"; do
  for name in app supernode gateway; do
    [[ -e $dir/$name.pid ]] && python -m fedsa.deploy.service stop "$name" --in "$dir"
  done
done
exit 0
