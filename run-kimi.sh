#!/bin/sh
# Runs one task to its answer: ./run-kimi.sh [--simulate] "PROMPT"

root=$(CDPATH= cd -P -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd -P) || exit 3
. "$root/scripts/ensure-built.sh"
exec node "$root/dist/kimi-dispatch.cjs" run "$@"
