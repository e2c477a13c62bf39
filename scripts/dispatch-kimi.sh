#!/bin/sh
# Dispatches one task and returns immediately: dispatch-kimi.sh -p "PROMPT" -n "NAME"

# Follows symbolic links: readlink -f is missing on older macOS.
self=$0
while [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in
    /*) self=$link ;;
    *) self=$(dirname -- "$self")/$link ;;
  esac
done
root=$(CDPATH= cd -P -- "$(dirname -- "$self")/.." && pwd -P) || exit 3
. "$root/scripts/ensure-built.sh"
exec node "$root/dist/kimi-dispatch.js" dispatch "$@"
