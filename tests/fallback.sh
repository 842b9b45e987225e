#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What no training saw: an unseen value of a cohort attribute falls back to the parent cohort, and score says so; a row
# number among the attributes makes no feature, and a warning names it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
train=$BIN/reseat-train
/usr/bin/python3 -c 'import h5py' 2>/dev/null || { echo "skipped: h5py is not installed"; exit 77; }
die() {
    echo "fallback: $*" >&2
    exit 1
}
"$BIN/reseat-data" simulate --hosts 80 --days 40 --failure-rate 12 -o past.h5 --quiet >/dev/null
cp past.h5 new.h5
/usr/bin/python3 - <<'P'
import h5py, numpy as np
with h5py.File("past.h5", "r+") as f:
    del f["entities/attributes/age_days"]
    f["entities/attributes/age_days"] = np.arange(len(f["entities/id"]), dtype="f8")
with h5py.File("new.h5", "r+") as f:
    d = f["entities/dictionaries/model"]
    texts = [t.decode() if isinstance(t, bytes) else t for t in d[:]]
    d[texts.index("WUH721816ALE6L4")] = "WUH999999NEW"
P
"$train" train past.h5 -o m.rsm --folds 0 --learner logistic -C 0.1 --features base --no-pooling --quiet 2>err
grep -q 'ev=attribute_unused attribute="age_days" why="follows the order of the entities"' err || die "no warning: $(cat err)"
! "$train" dump m.rsm | grep -q age_days || die "a row number is a feature"
"$train" score new.h5 -m m.rsm -o new.csv --quiet
"$train" score past.h5 -m m.rsm -o past.csv --quiet
/usr/bin/python3 - <<'P'
import csv
new, past = (list(csv.DictReader(open(n))) for n in ("new.csv", "past.csv"))
assert not any(r["fallback"] == "model" for r in past)
fallen = {r["entity"] for r in new if r["fallback"] == "model"}
was = {r["entity"] for r in past if r["cohort"].startswith("model=WUH721816ALE6L4")}
assert fallen == was and fallen, (len(fallen), len(was))
assert all(r["cohort"] == "all" for r in new if r["entity"] in fallen)
assert all(a["cohort"] == b["cohort"] for a, b in zip(new, past) if a["entity"] not in fallen)
P
echo "unseen models fall back to all, row numbers stay out"
