#!/bin/sh
# Dispatches one task and returns immediately: dispatch-kimi.sh -p "PROMPT" -n "NAME"

root=$(CDPATH= cd -P -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd -P) || exit 3
. "$root/scripts/ensure-built.sh"
exec node "$root/dist/kimi-dispatch.cjs" dispatch "$@"
