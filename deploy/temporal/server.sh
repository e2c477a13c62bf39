#!/bin/sh
# Starts the server with its built-in configuration, which reads these variables. The password comes from a file.
set -eu
POSTGRES_PWD=$(cat "$POSTGRES_PWD_FILE")
export POSTGRES_PWD
# The address at which the other servers of the cluster reach it: differs from the one it listens on if that is a wildcard.
if [ "$BIND_ON_IP" = 0.0.0.0 ]; then
  TEMPORAL_BROADCAST_ADDRESS=$(getent hosts "$(hostname)" | awk '{ print $1; exit }')
  export TEMPORAL_BROADCAST_ADDRESS
fi
exec temporal-server start
