#!/bin/sh
# An S3 server on a volume, with one bucket. Its keys are the first two values of the credentials file, which its clients read too.
set -eu
# shellcheck disable=SC2046
set -- $(sed -n 's/^aws_[a-z_]* *= *//p' "$AWS_SHARED_CREDENTIALS_FILE")
export ROOT_ACCESS_KEY="$1" ROOT_SECRET_KEY="$2"
mkdir -p "/data/$KIMI_PAYLOAD_S3_BUCKET"
exec versitygw --port :7070 --health /health posix /data
