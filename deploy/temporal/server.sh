#!/bin/sh
# Starts the server with the configuration it has built in, which reads these variables. The password comes from a file.
set -eu
POSTGRES_PWD=$(cat "$POSTGRES_PWD_FILE")
export POSTGRES_PWD
# Where the others of the cluster find it: not where it listens, if that is everywhere.
if [ "$BIND_ON_IP" = 0.0.0.0 ]; then
  TEMPORAL_BROADCAST_ADDRESS=$(getent hosts "$(hostname)" | awk '{ print $1; exit }')
  export TEMPORAL_BROADCAST_ADDRESS
fi
exec temporal-server start
