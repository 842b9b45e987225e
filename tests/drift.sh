#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Drift end to end: the fleet that a model was trained on shows none; a copy with one signal doubled and another one gone
# shows these two and no other. (models/test_drift.c has the rate of false findings over many fleets.)
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
train=$BIN/reseat-train
command -v jq >/dev/null || { echo "skipped: jq is not installed"; exit 77; }
/usr/bin/python3 -c 'import h5py' 2>/dev/null || { echo "skipped: h5py is not installed"; exit 77; }

die() {
    echo "drift: $*" >&2
    exit 1
}

"$BIN/reseat-data" simulate --hosts 60 --days 60 --seed 5 --failure-rate 6 -o fleet.h5 --quiet >/dev/null
"$train" train fleet.h5 -o fleet.rsm --horizon 7d --learner logistic --quiet >/dev/null
"$train" drift fleet.h5 -m fleet.rsm --quiet --json --fail >same.json || die "the fleet itself moved: $(cat same.json)"
jq -e '.moved == 0 and .entities == 480 and ([.signals[].psi] | . == (sort | reverse))' same.json >/dev/null ||
    die "the fleet itself: $(cat same.json)"
"$train" drift fleet.h5 -m fleet.rsm --quiet --since 2026-02-20 | grep -q '0 of .* moved' ||
    die "the fleet's last days moved"

# Where the healthy are all alike, nearly all have one risk, and it is the model's, not that of some fold's model.
cat >alike.yaml <<'YAML'
source: the healthy alike
entity: "{host}"
kind: host
time: {column: day, format: date}
signals:
  - {name: errors, column: errors, kind: counter}
  - {name: heat, column: heat, kind: gauge}
failures:
  when: {column: failed, equals: 1}
YAML
/usr/bin/python3 - >alike.csv <<'PYTHON'
import random
random.seed(5)
print("host,day,errors,heat,failed")
for h in range(300):
    fails, errors = h < 40, 0
    last = 10 + h % 15 if fails else 28
    for d in range(1, last + 1):
        errors += random.random() < (0.5 if fails and last - d < 7 else 0.004)
        print(f"h{h},2026-01-{d:02d},{errors},{40 if random.random() < 0.9 else 45},{int(fails and d == last)}")
PYTHON
"$BIN/reseat-data" import csv --map alike.yaml alike.csv -o alike.h5 --quiet >/dev/null
"$train" train alike.h5 -o alike.rsm --quiet 2>/dev/null
"$train" drift alike.h5 -m alike.rsm --since 2026-01-01 --quiet --json >alike.json
jq -e '.moved == 0 and .risk.psi < 0.05' alike.json >/dev/null || die "a fleet of hosts alike: $(jq -c .risk alike.json)"

cp fleet.h5 moved.h5
/usr/bin/python3 - <<'PYTHON'
import h5py
with h5py.File("moved.h5", "r+") as f:
    names = [n.decode() if isinstance(n, bytes) else n for n in f["signals/name"][:]]
    values = f["samples/values"][:]
    values[:, names.index("inlet_temp_c")] += 25
    values[:, names.index("smart_194_raw")] = float("nan")
    f["samples/values"][:] = values
PYTHON
code=0
"$train" drift moved.h5 -m fleet.rsm --quiet --json --fail >moved.json 2>err || code=$?
[ "$code" = 3 ] && grep -q ' moved, the most of all ' err || die "exit $code, want 3: $(cat err)"
jq -e '[.signals[] | select(.moved) | .name] | index("inlet_temp_c")' moved.json >/dev/null || die "the shift is not found"
jq -e '[.signals[] | select(.missing_changed) | .name] == ["smart_194_raw"]' moved.json >/dev/null ||
    die "the signal that is gone is not found"
jq -e '[.signals[] | select(.moved) | .name] == ["inlet_temp_c"]' moved.json >/dev/null || die "others moved too"

# refused CODE TEXT COMMAND...
refused() {
    local want=$1 text=$2 got=0
    shift 2
    "$@" >/dev/null 2>err || got=$?
    [ "$got" = "$want" ] || die "exit $got, want $want: $*"
    grep -qF -- "$text" err || die "no '$text' from: $* ($(cat err))"
}
refused 2 "--since: soon: a time such as" "$train" drift fleet.h5 -m fleet.rsm --since soon
refused 2 "--model" "$train" drift fleet.h5
refused 1 "no entity has a sample since then" "$train" drift fleet.h5 -m fleet.rsm --quiet --since 2099-01-01
refused 1 "the model has no references" "$train" drift fleet.h5 -m "$SRC/tests/golden/model-v1.rsm" --quiet
echo "drift finds what moved, and nothing else"
