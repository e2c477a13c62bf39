# Sourced with $root set: installs and builds on first use, and again when something changed. All its output goes to
# standard error: standard output is for the answer.

case "$(node --version 2>/dev/null)" in
  v2[0-9].* | v[3-9][0-9].*) ;;
  *)
    echo "需要 Node 20.18.1 以上。 Node 20.18.1 or newer is needed." >&2
    exit 3
    ;;
esac

if [ ! -f "$root/node_modules/.package-lock.json" ] || [ "$root/package-lock.json" -nt "$root/node_modules/.package-lock.json" ]; then
  echo "第一次使用：安裝套件… Installing packages (first use)…" >&2
  (cd "$root" && npm ci --no-audit --no-fund --loglevel=error) >&2 || exit 3
  touch "$root/node_modules/.package-lock.json"
fi

if [ ! -f "$root/dist/kimi-dispatch.cjs" ] || [ -n "$(find "$root/src" "$root/package.json" -newer "$root/dist/kimi-dispatch.cjs" -print | head -n 1)" ]; then
  echo "建置… Building…" >&2
  (cd "$root" && npm run --silent build) >&2 || exit 3
fi
