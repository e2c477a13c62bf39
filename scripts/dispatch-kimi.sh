#!/bin/sh
# Dispatches one task and returns at once: dispatch-kimi.sh -p "PROMPT" -n "NAME"
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/ensure-built.sh"
exec node "$root/dist/kimi-dispatch.js" dispatch "$@"
