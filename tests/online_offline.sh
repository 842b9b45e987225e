#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The daemon's risks, and its drift, are the offline ones, to the last bit: every sample of a fleet is pushed through HTTP, the daemon is
# killed with SIGKILL midway and started again, and each entity's risk is compared with `reseat score --last`.
# FLEET=file.h5 takes that fleet, MODEL=file.rsm that model; without them a fleet is simulated and a model is trained, in
# which hosts fail and come back often enough for their history to be features.
set -eu
for tool in curl python3; do
    command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
work=$(mktemp -d /tmp/reseat-online.XXXXXX)
daemon=
finish() {
    [ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
fleet=${FLEET:-$work/fleet.h5} model=${MODEL:-$work/fleet.rsm}
cd "$work"
[ -n "${FLEET:-}" ] || "$BIN/reseat" simulate --hosts 40 --days 50 --seed 11 --failure-rate 6 --quiet -o "$fleet" >/dev/null
if [ -z "${MODEL:-}" ]; then
    "$BIN/reseat" train "$fleet" -o "$model" --quiet
    [ -n "${FLEET:-}" ] || "$BIN/reseat" dump "$model" | awk '$1 != 0 && /events\[.*\(failure\)/ { found = 1 } END { exit !found }' ||
        { echo "online_offline: the model looks at no failures, so this would prove less" >&2; exit 1; }
fi
"$BIN/reseat" score "$fleet" -m "$model" --last --quiet -o offline.csv
"$BIN/reseat" drift "$fleet" -m "$model" --json --quiet >drift.json
"$BIN/reseat" export "$fleet" --quiet >samples.ndjson
[ -n "${FLEET:-}" ] || grep -q '"event":"failure/' samples.ndjson || { echo "online_offline: no failure was written" >&2; exit 1; }
split -C 4m samples.ndjson part.
parts=(part.*)

# Old samples must not count as stale, and nobody lists a whole fleet by hand.
cat >reseatd.yaml <<YAML
state_dir: $work/state
socket: $work/reseatd.sock
model: $model
telemetry: {unknown_entities: register, stale_after: 36500d}
YAML
start() {
    "$BIN/reseatd" --config reseatd.yaml 2>>reseatd.log &
    daemon=$!
    for _ in $(seq 600); do
        curl -fs --unix-socket reseatd.sock http://reseat/readyz >/dev/null && return
        sleep 0.1
    done
    echo "online_offline: the daemon is not ready:" >&2
    cat reseatd.log >&2
    exit 1
}
push() {
    curl -fsS --unix-socket reseatd.sock http://reseat/v1/telemetry --data-binary "@$1" >answer.json ||
        { cat answer.json reseatd.log >&2; exit 1; }
    python3 -c 'import json, sys
a = json.load(open("answer.json"))
sys.exit(0 if a["rejected"] == 0 and a["accepted"] > 0 else "refused: %s" % a)'
}

start
for i in "${!parts[@]}"; do
    # What was acknowledged survives a death without warning.
    if [ "$i" = $((${#parts[@]} / 2)) ]; then
        kill -9 "$daemon"
        { wait "$daemon" || true; } 2>/dev/null
        start
    fi
    push "${parts[$i]}"
done
kill "$daemon"
wait "$daemon"
start
python3 - <<'PYTHON'
import csv, http.client, json, socket, sys, urllib.parse

class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("reseatd.sock")

conn = Unix("reseat")
def get(path):
    conn.request("GET", path)
    answer = conn.getresponse()
    body = json.load(answer)
    assert answer.status == 200, body
    return body

online = {}
for host in get("/v1/hosts?limit=100000")["hosts"]:
    online[host["id"]] = (host["own_risk"], host["cohort"])
    if host["components"]:
        for part in get("/v1/hosts/" + urllib.parse.quote(host["id"], safe=""))["parts"]:
            online[part["id"]] = (part["own_risk"], part["cohort"])
offline = {row["entity"]: (float(row["risk"]), row["cohort"]) for row in csv.DictReader(open("offline.csv"))}
wrong = [(e, offline[e], online.get(e)) for e in offline if offline[e] != online.get(e)]
more = set(online) - set(offline)
if wrong or more or not offline:
    sys.exit("%d of %d entities differ, such as %s; %d unknown offline" % (len(wrong), len(offline), wrong[:3], len(more)))
drift, want = get("/v1/drift"), json.load(open("drift.json"))
if int(drift["model_digest"], 16) != int(want["model_digest"], 16):
    sys.exit("another model: %s, offline %s" % (drift["model_digest"], want["model_digest"]))
for key in ("entities", "reference_entities", "moved", "risk", "signals"):
    if drift[key] != want[key]:
        sys.exit("drift differs in %s: %s, offline %s" % (key, drift[key], want[key]))
print("%d entities, %d different risks: online and offline are equal to the last bit, over a SIGKILL and a restart"
      % (len(offline), len(set(offline.values()))))
PYTHON
