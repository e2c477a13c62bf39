#!/bin/sh
# Creates the files in secrets/ that docker-compose.yml reads; existing ones are kept. Files that only you can fill are created
# empty, which counts as not set: put your key into secrets/kimi_api_key, and the gateway's hooks.token into secrets/wake_token.
set -eu
folder=${1:-$(dirname "$0")/../secrets}
mkdir -p "$folder"
# Only you can open the folder; the files are readable by the users of the containers, whose user ids differ from yours.
chmod 700 "$folder"
umask 022
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -e "$folder/$1" ] || cat >"$folder/$1"; }

for name in relay_token webhook_secret postgres_password grafana_password; do
  random 32 | keep "$name"
done
# As the receivers of events need it (Standard Webhooks).
printf 'whsec_%s' "$(head -c 32 /dev/urandom | base64 | tr -d '\n')" | keep notify_secret
for name in kimi_api_key wake_token payload_keys notify_url; do
  keep "$name" </dev/null
done
# The payload bucket: that of the profile s3, or your own.
printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$(random 10)" "$(random 20)" | keep aws_credentials
