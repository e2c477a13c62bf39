#!/bin/sh
# Runs one task to its answer: ./run-kimi.sh [--simulate] "PROMPT"
root=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
. "$root/scripts/ensure-built.sh"
exec node "$root/dist/kimi-dispatch.js" run "$@"
