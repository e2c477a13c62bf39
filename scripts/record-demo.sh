#!/usr/bin/env bash
# Records the README's animated pictures, docs/images/demo.svg and demo.zh-TW.svg, from a real run against the simulated Kimi:
# dispatch, kill -9 of the services, the answer. Pauses over 2 s are cut. Needs Python with pip, which installs termtosvg if it is missing.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd -P)

if [ "${1:-}" = play ]; then # inside the recorded terminal
  type_out() {
    printf '\033[32m$\033[0m '
    for word in $1; do printf '%s ' "$word"; sleep 0.12; done
    sleep 0.4
    echo
  }
  [ "$KIMI_LANG" = en ] && prompt="Write a Python Fibonacci function" note="# the services die while Kimi works" ||
    { prompt="寫一個 Python 費波那契函數" note="# Kimi 還在工作，服務被強制結束"; }
  # The directive for a slow answer is only for the simulated Kimi, so it is not shown.
  type_out "kimi-dispatch dispatch -p \"$prompt\""
  kimi-dispatch dispatch -p "$prompt"$'\n\n''[[simulate: delay=8000]]' 2> "$HOME/id"
  task=$(grep -o 'kimi-[0-9]*-[0-9]*' "$HOME/id" | head -n 1)
  sleep 1
  services=$(pgrep -P "$STACK_PID" -f dist/services.js)
  type_out "kill -9 $services   $note"
  kill -9 "$services"
  sleep 1
  type_out "kimi-dispatch watch $task"
  kimi-dispatch watch "$task" 2>&1
  exit
fi

work=$(mktemp -d)
export KIMI_CACHE="${KIMI_CACHE:-$HOME/.cache/kimi-dispatch}" PYTHONPATH="${PYTHONPATH:-$work/python}"
export HOME="$work" PATH="$work/bin:$PATH"
export KIMI_TEMPORAL_PORT=0 KIMI_UI_PORT=0 WEBHOOK_PORT=0 KIMI_WORKER_PORT=0 KIMI_RELAY_PORT=0
trap 'kimi-dispatch down > "$work/down" 2>&1; rm -rf "$work"' EXIT
mkdir "$work/bin"
ln -s "$root/dist/kimi-dispatch.cjs" "$work/bin/kimi-dispatch"
python3 -c 'import termtosvg' 2> "$work/missing" || python3 -m pip install --quiet --target "$work/python" termtosvg==1.1.0

for lang in en zh-TW; do
  export KIMI_LANG=$lang
  kimi-dispatch up --detach --simulate > "$work/up"
  kimi-dispatch run "warm up" > "$work/warm-up" 2>&1
  STACK_PID=$(node -p "JSON.parse(fs.readFileSync('$work/.local/share/kimi-dispatch/stack.json')).pid")
  export STACK_PID
  name=demo
  [ "$lang" = en ] || name=demo.$lang
  python3 -m termtosvg "$root/docs/images/$name.svg" -c "bash '$root/scripts/record-demo.sh' play" -g 84x32 -t window_frame -m 60 -M 2000 -D 5000
  kimi-dispatch down > "$work/down" 2>&1
done
ls -l "$root"/docs/images/demo*.svg
