#!/bin/sh
# Makes what docker-compose.yml reads from secrets/, and leaves what is there. What only you can know stays empty, which is
# as good as not set: put your key into secrets/kimi_api_key, and the gateway's hooks.token into secrets/wake_token.
set -eu
folder=${1:-$(dirname "$0")/../secrets}
mkdir -p "$folder"
# The folder is yours alone; the files can be read by the users of the containers, whose numbers are not yours.
chmod 700 "$folder"
umask 022
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -e "$folder/$1" ] || cat >"$folder/$1"; }

for name in relay_token webhook_secret postgres_password grafana_password; do
  random 32 | keep "$name"
done
for name in kimi_api_key wake_token payload_keys; do
  keep "$name" </dev/null
done
# The payload bucket of the profile s3, or your own.
printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$(random 10)" "$(random 20)" | keep aws_credentials
