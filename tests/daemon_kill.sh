#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# kill -9 of reseatd in the middle of the copy, then a restart: the VM runs on exactly one host, and its temp disk is
# intact by the guest's own word and by a checksum taken from outside.
set -eu
[ "$(id -u)" = 0 ] || { echo "daemon_kill: root is needed for libvirt hosts in namespaces" >&2; exit 77; }
for tool in libvirtd virsh qemu-img jq curl; do
    command -v $tool >/dev/null || { echo "daemon_kill: $tool is absent" >&2; exit 77; }
done
export PATH=$BIN:$PATH
work=$(mktemp -d "${TMPDIR:-/tmp}/reseat-kill.XXXXXX")
lab() { "$SRC/tests/lab/lab.sh" "$1" "$work/lab" "${@:2}"; }
daemon=
finish() {
    local status=$?
    trap - EXIT INT TERM
    [ -n "$daemon" ] && kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null
    [ $status = 0 ] || cat "$work"/reseatd*.log >&2
    lab down >/dev/null 2>&1 || true
    rm -rf "$work"
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM
cd "$work"

LAB_OWNER=$$ lab up host-a host-b >lab.log 2>&1
lab vm host-a web-1 raw 256 standard >/dev/null
reseat simulate --hosts 120 --days 40 --seed 3 --quiet -o fleet.h5 >/dev/null
reseat train fleet.h5 -o fleet.rsm --horizon 7d --learner logistic --quiet 2>train.log || { cat train.log >&2; exit 1; }
healthy=$(reseat score fleet.h5 -m fleet.rsm --last --quiet -o - | awk -F, 'NR > 1 && $1 !~ "/" && (min == "" || $4 < min) { min = $4; id = $1 } END { print id }')
lab wait-ready host-a web-1 1 180
before=$(lab checksum host-a web-1)
cat >reseatd.yaml <<Y
state_dir: $work/state
socket: $work/reseatd.sock
model: $work/fleet.rsm
telemetry: {unknown_entities: register}
classes: [{name: standard, outage: 1h, temp_value: 2h, budget: 10m, max_blackout: 2m}]
policy: {blast_share: 1, dest_risk_max: 0.99}
hosts:
  - {name: host-a, uri: "$(lab uri host-a)", pool: local, rack: r1, reasons: [security]}
  - {name: host-b, uri: "$(lab uri host-b)", pool: local, rack: r2}
Y
export RESEAT_SOCKET=$work/reseatd.sock
api() { curl -sS --fail-with-body --unix-socket "$RESEAT_SOCKET" "http://reseat$1" "${@:2}"; }
start() { # start LOG [FAULT]
    RS_FAULT=${2:-} reseatd --config reseatd.yaml 2>"$1" &
    daemon=$!
    for _ in $(seq 300); do api /readyz >/dev/null 2>&1 && return; sleep 0.1; done
    echo "daemon_kill: reseatd did not become ready" >&2
    exit 1
}

start reseatd-1.log copy.data:kill
reseat export fleet.h5 --entity "$healthy" --as host-b --end now --quiet | api /v1/telemetry --data-binary @- | jq -e '.rejected == 0' >/dev/null
reseat reboot web-1 >decision.txt
grep -q 'moves to host-b for security' decision.txt
code=0
wait "$daemon" || code=$?
daemon=
[ $code = 137 ] || { echo "daemon_kill: reseatd ended with $code, not by SIGKILL" >&2; exit 1; }
[ "$(lab virsh host-a domstate web-1)" = paused ] || { echo "daemon_kill: the VM was not suspended at the kill" >&2; exit 1; }

start reseatd-2.log
line=$(lab wait-ready host-a web-1 2 180)
echo "$line"
grep -q 'file=intact' <<<"$line"
[ "$(lab checksum host-a web-1)" = "$before" ]
[ "$(lab virsh host-a domstate web-1)" = running ]
[ -z "$(lab virsh host-b list --name --state-running | tr -d '[:space:]')" ]
reseat migrations --json | jq -e '(.migrations // .)[0].state == "stayed"' >/dev/null
[ -z "$(lab virsh host-b vol-list local | grep web-1 || true)" ] || { echo "daemon_kill: half a copy is left on host-b" >&2; exit 1; }
echo "killed in the copy: the VM rebooted in place on host-a, its disk is intact, nothing is left on host-b"
