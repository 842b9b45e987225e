#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# demo.sh: the whole story with real parts, told while it happens. ./run demo installs, builds and starts it.
# Leaves nothing behind: hosts, guests, daemon and files go, also after Ctrl-C or failure.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
if [ "$(id -u)" != 0 ]; then
    exec sudo --preserve-env=BIN,NO_COLOR "$0" "$@" # namespaces and libvirtd want root
fi
export PATH=$BIN:$PATH
work=$(mktemp -d /tmp/reseat-demo.XXXXXX)
lab() { "$here/lab/lab.sh" "$1" "$work/lab" "${@:2}"; }
daemon=
finish() {
    local status=$?
    trap - EXIT INT TERM
    [ -n "$daemon" ] && kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null
    lab down >/dev/null 2>&1 || true
    if [ $status -ne 0 ] && [ -e "$work/reseatd.log" ]; then
        echo "demo: failed; the daemon's last lines:" >&2
        tail -n 20 "$work/reseatd.log" >&2
    fi
    rm -rf "$work"
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\033[1m' dim=$'\033[2m' green=$'\033[32m' red=$'\033[31m' off=$'\033[0m'
else
    bold='' dim='' green='' red='' off=''
fi
chapter() { printf '\n%s%s%s\n' "$bold" "$*" "$off"; }
tell() { printf '  %s\n' "$*"; }
run() { # shows a command, then runs it, its output indented
    printf '  %s$ %s%s\n' "$dim" "$*" "$off"
    "$@" 2>&1 | sed 's/^/    /'
}
fail() {
    printf '%s%s%s\n' "$red" "$*" "$off" >&2
    exit 1
}

printf '%sReseat: a VM leaves failing hardware at the reboot that was going to happen anyway%s\n' "$bold" "$off"
tell "two real libvirt hosts are being started on this machine while the model is trained"
LAB_OWNER=$$ lab up host-a host-b >"$work/lab.log" 2>&1 &
hosts_up=$!

chapter "1. Telemetry becomes a fleet file"
cd "$work"
run reseat simulate --hosts 300 --days 60 --seed 1 --quiet -o history.h5
run reseat simulate --hosts 100 --days 60 --seed 2 --quiet -o today.h5
tell "history.h5 is what the trainer sees; today.h5 is another fleet, which it never sees"

chapter "2. A model is trained, and judged on the fleet that it has not seen"
run reseat train history.h5 -o fleet.rsm --horizon 7d --quiet
reseat eval today.h5 -m fleet.rsm --bootstrap 100 --json >eval.json
jq -r 'def r: . * 1000 | round / 1000; .pooled |
    "ROC-AUC \(.roc_auc.value | r) (95 % interval \(.roc_auc.low | r) to \(.roc_auc.high | r)); average precision \(.average_precision.value | r) where chance is \(.base_rate.value | r)"' \
    eval.json | sed 's/^/    /'

chapter "3. Two hosts, a VM on each"
wait "$hosts_up" || { cat "$work/lab.log" >&2; fail "the hosts did not come up"; }
lab vm host-a web-1 raw 256 standard >/dev/null
lab vm host-b db-1 raw 256 standard >/dev/null
lab wait-ready host-a web-1 1 180 | sed 's/^/    host-a: /'
lab wait-ready host-b db-1 1 180 | sed 's/^/    host-b: /'
before=$(lab checksum host-a web-1)
tell "web-1's temp disk exists on host-a only; SHA-256 of its data: ${before:0:16}..."

chapter "4. reseatd loads the model; the hosts' telemetry arrives"
reseat score today.h5 -m fleet.rsm --last --quiet -o scores.csv
# A host of the unseen fleet that the model fears, and one that it trusts, lend their telemetry to host-a and host-b.
read -r risky healthy < <(awk -F, 'NR > 1 { split($1, id, "/"); if (!(id[1] in ok)) ok[id[1]] = 1; ok[id[1]] *= 1 - $4 }
    END { for (h in ok) { if (max == "" || 1 - ok[h] > max) { max = 1 - ok[h]; risky = h }
                          if (min == "" || 1 - ok[h] < min) { min = 1 - ok[h]; healthy = h } } print risky, healthy }' scores.csv)
cat >reseatd.yaml <<Y
state_dir: $work/state
socket: $work/reseatd.sock
model: $work/fleet.rsm
telemetry: {unknown_entities: register}
migration: {retire_after: 0s}
classes: [{name: standard, outage: 1h, temp_value: 2h, budget: 10m, max_blackout: 2m}]
policy: {blast_share: 0.6}
hosts:
  - {name: host-a, uri: "$(lab uri host-a)", pool: local, rack: r1}
  - {name: host-b, uri: "$(lab uri host-b)", pool: local, rack: r2}
Y
run reseat check-config reseatd.yaml
reseatd --config reseatd.yaml 2>reseatd.log &
daemon=$!
export RESEAT_SOCKET=$work/reseatd.sock
api() { curl -sS --fail-with-body --unix-socket "$RESEAT_SOCKET" "http://reseat$1" "${@:2}"; }
for _ in $(seq 100); do api /readyz >/dev/null 2>&1 && break; sleep 0.1; done
reseat export today.h5 --entity "$risky" --as host-a --end now --quiet >a.ndjson
reseat export today.h5 --entity "$healthy" --as host-b --end now --quiet >b.ndjson
cat a.ndjson b.ndjson | api /v1/telemetry --data-binary @- |
    jq -r '"    \(.accepted) samples of two hosts and their components taken in, \(.rejected) refused"'
run reseat hosts
api /v1/hosts/host-a | jq -r '.host.explanation // .explanation | [.features[] | select(.log_odds > 0)][:3][] |
    "    host-a itself, pushing up: \(.feature) (+\(.log_odds * 100 | round / 100) log odds)"' 2>/dev/null || true
tell "reseat hosts host-a tells the same of each of its disks, DIMMs and fans"

chapter "5. web-1 is rebooted: the model says leave, every gate agrees, the disk travels"
run reseat reboot web-1 --wait
lab wait-ready host-b web-1 2 180 | sed "s/^/    ${green}host-b's console: /; s/\$/$off/"
after=$(lab checksum host-b web-1)
[ "$before" = "$after" ] || fail "the temp disk differs: $before before, $after after"
tell "SHA-256 of the temp disk's data on host-b: ${after:0:16}... the same"
tell "web-1 on host-a now: $(lab virsh host-a domstate web-1 2>/dev/null || echo gone)"

chapter "6. db-1 is rebooted: its host is healthy, so it just reboots in place"
run reseat reboot db-1 --wait
lab wait-ready host-b db-1 2 180 | sed 's/^/    host-b: /'

chapter "7. What the daemon remembers"
run reseat decisions
run reseat migrations

chapter "Where to look next"
tell "./run reseat --help          every verb (./run reseat import --help, ...)"
tell "docs/architecture.md         the parts and what they promise each other"
tell "docs/migration.md            each step of the move, and what happens when it is interrupted"
tell "docs/configuration.md        reseatd.yaml, key by key"
