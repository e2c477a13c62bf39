#!/usr/bin/env bash
# Checks the alert rules and the cluster's configuration with Prometheus' promtool: the one on PATH, or Debian's, unpacked into a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v promtool >/dev/null; then
  aside=$(mktemp -d)
  trap 'rm -rf "$aside"' EXIT
  chmod 755 "$aside"
  # A fresh machine has no package lists yet.
  apt-cache show prometheus >/dev/null 2>&1 || apt-get update -qq
  (cd "$aside" && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb .)
  PATH=$aside/usr/bin:$PATH
fi
promtool check rules deploy/prometheus/alerts.yaml
promtool check config deploy/prometheus/prometheus.yaml
cd deploy/prometheus
promtool test rules alerts.test.yaml
