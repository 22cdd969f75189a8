#!/usr/bin/env bash
# stop.sh DIR...: ends what runs from each of the folders, and from the three parts of three users.
set -euo pipefail
failed=0
for dir in "$@"; do
  found=0
  for name in app supernode gateway; do
    if [[ -d $dir/$name && ! -x $dir/$name ]]; then
      echo "error: '$dir/$name' is another user's: stop it as that user, or as root." >&2
      found=1 failed=1
    fi
    for part in "$dir" "$dir/$name"; do
      [[ -e $part/$name.pid ]] || continue
      found=1
      python -m fedsa.deploy.service stop "$name" --in "$part" || failed=1
    done
  done
  if [[ $found == 0 ]]; then
    echo "error: nothing was started from '$dir': name the folder of the node or the gateway." >&2
    failed=1
  fi
done
exit "$failed"
